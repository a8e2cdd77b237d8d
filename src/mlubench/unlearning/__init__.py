"""Losses, methods and the one trainer. Read trainer.py, then the files of a step in their order.

losses.py          pure losses: numbers in, a scalar out
methods/           what each method needs, asks the reference, and minimises; table.py lists them
trainer.py         transformers' Trainer around a method; trainer_setup.py and parameters.py belong to it
schedule.py        which samples come when
alternates.py      what the base guesses in place of a truth, drawn before training
batches.py         a step's batches
forward.py         one pass, and the views of it that a loss looks at
reference.py       what the model said before, asked once
saliency.py        which parameters a method moves, where it does not move all
orthogonality.py   a term that keeps an adapter clear of earlier ones
steps.py           all of this as one step
data_parallel.py   a step shared by several processes
"""
