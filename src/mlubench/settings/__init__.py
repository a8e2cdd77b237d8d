"""Every setting of a run. Each is told where it stands.

run.py             all of them, as one configuration
benchmark.py  model.py  training.py  lumoe.py  gates.py  judging.py  evaluation.py
                   the groups that it is made of
endpoint.py        what all who ask an endpoint share
reference.py       every setting with its default and meaning, for `mlubench list settings`
loading.py         presets, YAML files and overrides, every error at once
strict.py          a misspelt setting is an error
places.py          paths, kept absolute
presets/           one YAML file each
"""
