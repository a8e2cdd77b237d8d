"""The real benchmark: photographs, planets and logos under free licences, with true facts.

entities.yaml      which entities, their pictures, questions and facts, and what the facts were checked with
entities.py        reads it
views.py           draws new views of a picture: crop, perspective, light
benchmark.py       writes the whole as a release in the official layout
strangers.py       things of the background that a base learns to decline, and those that it never sees

The folder `pictures` holds the pictures, and ATTRIBUTION.csv with author, licence and source of each.
"""
