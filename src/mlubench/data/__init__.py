"""What must go and what must stay: benchmark data, and the pictures that it names.

release.py         reads and writes the official layout; records.py says what one record must look like
roles.py           which pictures train, which set thresholds, which only test
protocols.py       whether these are kept apart, or every record does all, as was published
partial.py         requests about some facts of an entity
world.py           an invented world in the official layout
inhabitants.py     who there is in it (world_text.yaml holds its words)
picture_kinds.py   views of a photograph that is trained on, told from other photographs
strangers.py       entities of no task, which a gate should leave alone
general.py         pictures of no entity, to see by whether a model still counts and reads
background.py      things that nobody asked to forget, which gates learn from
render.py          stand-in pictures, drawn
pictures.py        the one way to open a picture; pixels.py makes it what people see, mistaken.py names what is none
refusals.py        what a model should say instead of an answer
naming.py          how names are written: titles, and endings that are no name
same_pictures.py   pictures that are there twice, compressed anew or not
overlaps.py        entities in several places, under one spelling or several
evasion.py         other ways to ask for what is suppressed
check.py           finds all that cannot be used; check_pictures.py does so for pictures
counts.py          what a benchmark holds, in numbers
formats/           the field's other benchmarks, read into the official layout
real/              the real benchmark: photographs, planets and logos with true facts
audit/             what can be used and should not be believed
"""
