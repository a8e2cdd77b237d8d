"""Says how good answers are, and has a run judged.

rubric.py          the scale that every judge uses
table.py           the judges by name
rules/             the judge that needs no endpoint
llm/               the judges that ask a model
shuffled.py        the control: honest answers on the wrong samples
run.py             judges a run's answers; rejudge.py again and by others, batch.py through a batch API
scoring.py         verdicts into results.json; rouge.py and endings.py need no judge
harm.py            facts told all the same, and right answers lost, behind a gate
labelled.py        answers that a person has scored: labelled.jsonl, and labelled_real.jsonl of the real benchmark
"""
