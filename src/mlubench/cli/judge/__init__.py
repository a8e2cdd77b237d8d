"""`mlubench judge`.

group.py           a run as the first word, or a command
judge.py  agreement.py  label.py
                   the commands
"""
