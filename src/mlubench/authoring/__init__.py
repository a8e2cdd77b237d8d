"""Builds a benchmark of one's own from one spec, stage by stage (docs/building.md).

builder.py        what the commands call
stages/           a file for each stage, and the table of them in order
entities/  pictures/  questions/  answers/  review/  output/
                  what the stages work with, by subject
splitting.py  likeness.py  knowledge.py
                  entities into tasks; how alike they are; what models know of the items
stage.py  runner.py  build_record.py
                  what a stage is; what runs stages; build.json, by which it skips finished ones
spec.py  rows.py  partial_rows.py  user_files.py
                  the spec; the files of a build; unfinished ones; files that people bring
spelling.py  problems.py
                  when two texts read alike; one error for all that is wrong
"""
