"""What a run would do and need, worked out beforehand: nothing is loaded, trained or written.

plan.py            steps, answers, memory, disk and files
start.py           what the run would start from, and what of it is missing
"""
