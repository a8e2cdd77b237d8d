"""Finds records that are laid out right and say something wrong.

kinds.py           the table of what is looked for: a new kind is a function and a row
facts.py           what the detectors look at
answers.py  balance.py  contradictions.py  names.py  phrasings.py  texts.py
                   the detectors, by subject
patch.py           a unified diff of what a rule can mend; unified.py writes it
"""
