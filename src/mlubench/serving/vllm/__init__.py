"""A vLLM server that generates in the place of our own engine: the gate, the second look and what leaves stay here.

back_end.py    requests of many callers, each routed here and generated there
adapters.py    which experts the server has, under which names, and whether they are what was saved
client.py      what is asked of the server over its API
messages.py    a question with its history and pictures, as the server takes it
"""
