"""What stands above finished runs.

sweep/             many runs and one table of them
agreement.py       how far judges agree
claims/            which of the paper's claims hold
pooled.py          several seeds as one set of results
labelling.py       answers for a person to score
consolidation/     many experts into fewer, measured before and after
"""
