"""The one client of OpenAI-compatible endpoints, for judges, gates and the builder.

client.py          asks, many questions at once; every failure is one line, never an answer
completion.py      what an endpoint sent: the answer in it, or why there is none
limits.py          rates, waits, and the breaker that gives up on an endpoint that is down
failures.py        what became of a request without a reply
prices.py          what it costs
replies.py         replies that are kept, so that nothing is paid for twice
batches.py         the batch API: send, come back, collect
lifetimes.py       whether a model's name is pinned, and when it ends
"""
