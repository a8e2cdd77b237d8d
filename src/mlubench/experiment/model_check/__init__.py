"""Whether a user's model can take a run, tried on the model itself: small pictures, two records, a few steps.

check.py           the steps in their order, and what came of each
findings.py        what is found, as it is shown
subject.py         the model with the pictures and records that it is tried on
asking.py          steps that ask: the prompt, features, batches, generation
serving.py         the step that answers as the server does
training.py        steps that train: the picture in the loss, packed answers, LoRA by scope
experts.py         an expert written, loaded and mixed into a batch
"""
