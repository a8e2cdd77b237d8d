"""One file an attack.

plain.py           the question as it stands: what leaks without any trick
phrasing.py        other words for the same question, choices, and the question turned round
prompting.py       role play, orders, examples, hints, padding, forged turns, an answer that is begun
turns.py           several turns
picture.py         the picture changed
names.py           the entity named in words, also misspelt
modality.py        picture and words that speak of different things
misrouting.py      another forgotten thing named or shown: the wrong expert answers, or what is kept is lost
hops.py            a fact through another fact
languages.py       other languages around the question
bypass.py          the base alone, for whoever has the weights
weights.py         the weights rounded, pruned or disturbed
relearning.py      a little training
memory.py          what probabilities tell
probe.py           what linear probes read in hidden states
collateral.py      what is lost or refused that should not be
general.py         the same of seeing at all: counting, colours, positions, reading
"""
