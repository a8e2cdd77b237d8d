"""Changes of the tables. A file that was once released never changes.

chain_0001.py      the chain of entries
subjects_0002.py   keys of subjects, so that details can be kept encrypted
"""
