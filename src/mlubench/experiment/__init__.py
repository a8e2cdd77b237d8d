"""The lifelong experiment: A, B, C, D and nothing else. Read sequence.py first.

sequence.py        unlearn, archive, test, resume
learners.py        how a method lives through the sequence
answering.py       asks an archived model and keeps every answer
know.py            know, then unlearn: facts that the base does not know are dropped
known_before.py    marks the facts that the pretrained language model had
damaged.py         answers that were cut since are dropped, and so asked for anew
prepare.py         the benchmark and the base that a run starts from
lengths.py         records that are too long for the model
gate_reports.py    every gate measured after each task
strangers.py       entities of no task, which gates are measured on
table.py           the methods by name
plan/              what a run would do and need, beforehand
"""
