"""Which experts a query needs. base.py says what a gate is; table.py lists them; making.py makes one.

metric.py          by the picture, with a metric that other things taught (learned.py); looks.py is how it looks,
                   guises.py how somebody may show a picture who wants to pass
tuning.py          tunes a vision model for it beforehand
foreseen.py        what a plan foresees of a gate
known.py           what it knows of requests; standing.py is how rows stand to all of them, kept while they come
extending.py       why a gate cannot learn one request more
task_pictures.py   which pictures each task brings
picture_routes.py  where a picture's scores send a query
forecasts.py       what it is likely to miss
metric_state.py    what it keeps beside an expert
growing_rows.py    a matrix that takes more rows
statement.py       what a gate says beforehand of its errors
prototype.py       by the picture alone; nearest.py finds prototypes among many, risk.py sets the threshold
mention.py         by names in the question
hybrid.py          by both
training_free.py   by examples and names with nothing fitted; no gate of LUMoE's, but what methods are held against
mllm.py            asks a model at an endpoint; ask_base.py asks the base
two_steps.py       the two questions that both ask (two_steps.yaml)
replies.py         what a gate asked of a model, kept
oracle.py          is told the truth
aliases.py         what an entity is called (aliases.yaml); names.py finds which names a text holds
string_index.py  spelling.py  misspelling.py
                   names alike; one spelling of them; what counts as misspelt
saved.py           what gates keep in JSON, checked when it is read
metrics.py         how good a gate is
"""
