"""What a run would do and need, said beforehand: worked out, or measured by a few steps; nothing is written to its folder.

plan.py            steps, answers, memory, disk and files
measure.py         on the true base: seconds of steps and answers, and peak memory
start.py           what the run would start from, and what of it is missing
"""
