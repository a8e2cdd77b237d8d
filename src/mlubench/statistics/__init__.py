"""Arithmetic on verdicts: numbers in, numbers out. No files, no torch.

scores.py          cells, stability and level
bootstrap.py       the one resampling, of whole facts or entities
intervals.py       Wilson's and Student's intervals
crossed.py         intervals over entities and seeds together
claims.py          when a claim holds
comparisons.py     paired differences between methods
agreement.py       how far two judges agree; agreement_rows.py holds the rows that say so
separation.py      AUROC and false positives at 95% recall
published.py       the paper's own scores
directions.py      which direction of each measure is better
"""
