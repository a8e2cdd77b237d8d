"""Who or what a benchmark is about.

sources.py         where the list comes from
checks.py          usable names, known classes, no two that can be confused
"""
