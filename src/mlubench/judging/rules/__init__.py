"""The judge that needs no endpoint. Read judge.py first.

judge.py           the verdicts, and the version that runs claim
text.py            an answer's words, names and numbers in comparable form
asking.py          what a question asks for
expected.py        what an answer is expected to hold
matching.py        how an answer matches that
companions.py      which words belong together: "ice giant" is no "gas giant"
quantities.py      numbers with units: 687 days are 1.88 years
rivals.py          the other truths of a class, which an answer may tell instead
correctness.py     how right it is
refusal.py         whether it declines
ignorance.py       whether a refusal claims not to know
secrecy.py         what a refusal gives away
gibberish.py       whether it is sound language
"""
