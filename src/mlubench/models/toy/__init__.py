"""A tiny real LLaVA, trained from scratch, so that everything runs where no weights are.

base.py            its shape, its tokenizer, and the cached folder
lessons.py         what it is taught
teaching.py        how it learns: first to see, then to answer
"""
