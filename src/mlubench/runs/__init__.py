"""A run on disk: where its files lie, how it is opened, the one schema of its results. No torch is loaded.

from mlubench import runs
run = runs.open("runs/smoke")

folder.py          every path of a run's folder
opening.py         a run that is there, with its settings, answers, verdicts and results
rows.py            lines of answers and verdicts, read and written
wholeness.py       whether they are all there still
results.py         results.json, written and read by the same types
gate_rows.py       its rows about gates; result_row.py is what all rows have in common
audits.py  oracles.py
                   audit.json and oracle.json, in the same way
named.py           which facts the language model knew before it was taught
manifest.py        what the manifests of archives and of experts say
sweeps.py          what sweep.json says
status.py          how far a run has come
"""

from mlubench.runs.opening import Run
from mlubench.runs.opening import open_run as open

__all__ = ["Run", "open"]
