"""The true answer to each question about each entity.

from_facts.py      made of the facts that are known
from_model.py      asked of a model, where no fact answers
kept_replies.py    what models replied before
"""
