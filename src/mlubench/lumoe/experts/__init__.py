"""The store of experts: folders that never change, checked in full before anything is loaded.

store.py           which versions there are and which counts
state.py           what changes: current, disabled, merged
manifest.py        what a folder must hold, checked without the base
renaming.py        names of modules as older versions of transformers had them, and today's
compatibility.py   whether an expert fits the base
export.py          one expert as one file
compress.py        several experts as one; merge_plan.py says which
merging.py         which expert stands for which since
in_force.py        which gate counts since deletion requests came in, and whose expert answers
"""
