"""Deletion requests, from the letter to a served model that refuses. Read states.py first, then worker.py.

states.py          the life of a request
worker.py          one function a step: scope, train, measure, put in force
desk.py            what people do: submit, approve, reject, revert
queue.py           one row a request, in the ledger's database; rows.py is how it lies there
submission.py      what is sent in, looked through and copied
scoping.py         what must go: questions, and what the base answers
kept.py            what must stay beside it
gate_entry.py      a request's entry in the gate
preview.py         what the gate would do about a request, before anybody approves it
training.py        the expert
measuring.py       what the expert does before it may answer; measured.py is what was found, and whether it is enough
reached.py         how often a gate takes a picture for a request
forgetting.py      what is deleted once a request has ended
recording.py       what the ledger is told of each step
evidence.py        the signed bundle of one request, with a page for people (evidence.html.j2)
place.py           where all of it lies, and the store's settings
settings.py        bounds and limits
"""
