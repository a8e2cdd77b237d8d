"""LUMoE: one expert for each request, and a gate in front of them.

gates/             which experts a query needs
second_look/       whether an answer tells what is forgotten
experts/           the store of experts on disk
engine/            routed answers
"""
