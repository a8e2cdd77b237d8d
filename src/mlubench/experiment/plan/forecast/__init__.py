"""What a run would take on a card that is still to be rented: memory with activations, disk and hours, without any weight.

forecast.py        all of it for a plan: what each method needs, whether it fits, and how long it takes
parts.py           what is asked of a forecast, and what it holds
cards.py           cards with their makers' figures, and the seconds that a count takes on one
pictures.py        how many tokens a picture becomes, and what that takes
texts.py           how long prompts and answers are
inputs.py          inputs of the language model without values
training.py        a step of a method, counted
answering.py       a batch of answers, counted
counts.py          both for each method, what costs the same once
needs.py           how much memory they take
remedies.py        which settings make it fit
"""
