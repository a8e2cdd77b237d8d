"""The lifelong experiment: A, B, C, D and nothing else. Read sequence.py first.

sequence.py        unlearn, archive, test, resume
context.py         what every step works with
samples.py         which samples train and which test
learners/          how a method lives through the sequence
training.py        trains on one task, and archives the state after it
refusing.py        trains an expert again while it refuses too little
answering.py       asks an archived model and keeps every answer
turns.py           in batches, which the processes of a run answer in turns
held_back.py       what the second look holds back, and what is answered instead
finished.py        the context of a finished run
know.py            know, then unlearn: facts that the base does not know are dropped
known_before.py    marks the facts that the pretrained language model had
damaged.py         answers that were cut since are dropped, and so asked for anew
prepare.py         the benchmark and the base that a run starts from
lengths.py         records that are too long for the model
references.py      what methods are held against: the gate alone, and a prompt
training_free.py   and a base behind a gate that nothing was trained for
gate_reports.py    every gate measured after each task
strangers.py       entities of no task, which gates are measured on
table.py           the methods by name
plan/              what a run would do and need, beforehand
model_check/       whether a model can take a run, tried on the model itself
"""
