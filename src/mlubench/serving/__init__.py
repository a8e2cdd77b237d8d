"""A LUMoE behind an OpenAI-compatible address. Read app.py first, then chat.py.

app.py             the application: its routes, and who may call which
chat.py            one chat completion, from the request to the answer
wire.py            what callers send, checked field by field
replies.py         what callers get, whole or as a stream
dialogue.py        messages as a question with its history and its pictures
bodies.py          the body of a call
deletions.py       deletion requests by the API, for admins
queue_page/        the same in a browser
sessions.py        who has logged in by browser
served_desk.py     the desk of deletion requests, as API and page ask it
pictures.py        pictures in data URIs, as files for as long as a request lasts
doors.py           every call passes here first: the host that it names, the key that it holds
keys.py            keys with scopes, kept as hashes
limits.py          how much may be asked, and how often by one key
pace.py            when an answer leaves, so that its time does not tell who gave it
failures.py        errors as OpenAI's clients read them
metrics.py         figures for Prometheus
openapi.py         what the server offers, as an OpenAPI document
vllm/              a vLLM server that generates in the place of our own engine
measured.py        a system of an audit behind a loopback address, for a measurement
server.py          the server's life: open, serve, stop
"""
