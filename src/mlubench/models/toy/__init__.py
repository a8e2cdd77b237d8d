"""A tiny real LLaVA, trained from scratch, so that everything runs where no weights are.

base.py            its shape, its tokenizer, and the cached folder
lessons.py         what it is taught
teaching.py        how it learns: first to see, then to answer
eye.py             the network that gates look at drawn pictures with; its weights are in the folder `eye`
"""
