"""A person looks at every item.

page.py            the local page (page.html)
session.py         its cards, and what was said of them
verdicts.py        the log of what people said
spreadsheet.py     the same as CSV
"""
