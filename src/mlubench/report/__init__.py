"""Turns a run's scores and answers into what people look at.

table.py           the table in the terminal
html.py            the page (report.html.j2) and its files
about_run.py       what a reader must know before the scores
score_table.py     the text of the paper's table, which both share
gate_table.py      the text of the gates' tables, which they share too
reference_metrics.py  breakdown.py  differences.py
                   beside it: measures without a judge; scores by phrasing and class; methods compared
liveness.py        which archives are dead, so that none of their scores is the best
levels.py          how well and how evenly each method did, and at what cost
endings_table.py   how each method ends: refusing, answering or babbling
audit_table.py  class_table.py  oracle_table.py  lmms_eval_table.py
                   what attacks got out, and of which classes; how far from exact unlearning; scores on general benchmarks
samples.py         sampled answers; answer_files.py reads them, thumbnails.py their pictures
figures.py         heat maps and decay curves; decay.py draws one panel, svg.py puts it into the page
plot_style.py  labels.py
                   how methods look and are named
agreement_table.py  sweep_table.py  claims_table.py
                   what studies found
"""
