"""Routed answers: each query goes to its experts on the one base. `open` makes an engine of a run or of a store of experts.

lumoe.py           LUMoE: route, and answer
opening.py         what an engine is made of; no experiment is needed
reopening.py       notices that it has changed
router.py          asks the gate, and settles what it cannot place
looking_again.py   which drafts tell what is forgotten, and who answers instead
batching.py        any number of questions, answered in batches
continuous.py      requests of many callers, which join and leave a running batch
live.py            the rows of such a batch, with their experts
requests.py        a request as it waits, and what becomes of it
admission.py       which requests a model may answer
placing.py         requests at a gate that is asked elsewhere
leaving.py         an answer as it leaves
mixing.py          one batch for the base and for any experts
residents.py       experts to hand: in memory, on disk or mounted; stacked.py has one as a matrix
base_answers.py    questions to the untouched base
"""

from mlubench.lumoe.engine.lumoe import LUMoE

open = LUMoE.open
