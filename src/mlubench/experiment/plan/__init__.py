"""What a run would do and need, said beforehand: worked out, or measured by a few steps; nothing is written to its folder.

plan.py            the whole plan; parts.py says what it holds
methods.py         what each method would train: parameters, samples, steps, memory and disk
gate_sizes.py      what the gate takes on disk beside each expert
answers.py         which cells would be answered, and the files that would be written
forecast/          what it takes on a card that is still to be rented, counted without weights
measure.py         on the true base: seconds of steps and answers, and peak memory
start.py           what the run would start from, and what of it is missing
"""
