"""What a finished build is written as.

placed_items.py    the items in their tasks and splits, which every form holds
official_layout.py annotation files and pictures
parquet.py         for `datasets.load_dataset`
datasheet.py  figures.py
                   what the benchmark holds, in words and drawn
"""
