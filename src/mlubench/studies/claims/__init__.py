"""The paper's claims, tested on finished runs. Read rules.py first.

rules.py           each claim as a statistic, and when it holds
groups.py          which runs belong together: one benchmark, several seeds, other scopes or pictures in training
published.py       the same statistics of the paper's figures
"""
