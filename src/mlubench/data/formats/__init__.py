"""Reads the field's other benchmarks, as users download them, into the official layout.

table.py        the readers by name; a reader is a file here, a row there and a test
item.py         what a reader gives: questions about entities, each with the place where it stands
importing.py    one import from end to end, whole or not there at all
sequence.py     which entities each task forgets and keeps
folder.py       the folder that is written: pictures as they come, records at the end
rows.py         rows of JSON, JSON lines and parquet, one after another, with an error that names file, row and field
pictures.py     a picture in a row: a file, bytes or base64
splits.py       the parts of a download, and which of them are to be forgotten and kept
people.py       names of people, where a benchmark has no column for them
mllmu.py        MLLMU-Bench
fiubench.py     FIUBench
mmubench.py     MMUBench
clear.py        CLEAR
tofu.py         TOFU
llava.py        files in the style of LLaVA-Instruct
huggingface.py  a folder of the Hugging Face `datasets` layout
"""
