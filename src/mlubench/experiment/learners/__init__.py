"""How a method lives through the sequence: a baseline carries one adapter on, LUMoE adds an expert a task.

base.py         what a learner is, and the base before any unlearning
sequential.py   a baseline
stacked.py      a baseline whose tasks each train an adapter over the earlier ones
prompted.py     the base that is told in words what to decline
lumoe.py        LUMoE, and the same behind the gate that is told the answer
making.py       the learner of a method, by its name

The sequence calls `at` to bring back the state after some tasks, `learn` to unlearn the next one, and `routes` and
`answer` to test. A state is always written to RUN/models and mounted from there, so an interrupted run goes on from it.
"""
