"""The queue of deletion requests in a browser, for admins: no script, and all of it by keyboard.

pages.py           what is answered: log in, the list, one request, what is done with it
views.py           what a page shows, put together from the queue, the ledger and the settings
rendering.py       pages as HTML, with what a browser must know to keep them safe
frame.html.j2      what all pages have
login.html.j2      the form for the key
list.html.j2       all requests
request.html.j2    one request
error.html.j2      what went wrong
"""
