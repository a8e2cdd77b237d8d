"""Exact unlearning at every step, which only small models allow: the base trained again without what is forgotten.

bases.py           the oracle of each step, and one of another seed, which says how far two of them are apart
behaviour.py       a system's answers and probabilities beside the oracle's
metrics.py         the field's metrics of the same states
correlations.py    whether a metric ranks as the oracle does
run.py             all of it, on a finished run
"""
