"""The judges that ask a model, by the same rubric.

judge.py           asks each question once and keeps what was answered
prompts.py         what is asked; ratings.py reads the score in a reply
endpoint.py        a model at an OpenAI-compatible endpoint
local.py           a model in a folder
checks.py          what should be known of a judge before a run does any work
tools.py           what a judge is made with
"""
