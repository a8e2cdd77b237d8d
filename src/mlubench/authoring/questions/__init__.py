"""What is asked of each class, in five phrasings.

sets.py            the sets by class (sets.yaml)
checks.py          phrasings differ, ask for the same thing and give no name away
"""
