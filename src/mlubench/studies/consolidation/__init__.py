"""Many experts into fewer, adopted only if no score falls. Read consolidate.py first.

consolidate.py     the whole, for a run's store and for a plain one
adapters.py        a group's one adapter: merged, or distilled
measuring.py       the run's LUMoE with these adapters, and the scores of a LUMoE
report.py          what is told: scores before and after, what forbids the replacement, what each group became
"""
