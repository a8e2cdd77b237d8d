"""`mlubench data`.

group.py           stats, check and render
audit.py  build.py  importing.py  review.py
                   the larger commands
"""
