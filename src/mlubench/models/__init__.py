"""The multimodal model, and what can be done with one.

mllm.py            a model with its processor: load, ask, features
query.py           a question about a picture, or about several
families.py        the parts of a model, and LoRA's layers in each; rows for families that are not found rightly
part_names.py      where the tower, the projector and the language model are, found in the model itself
weights.py         weights loaded whole, or an error; the same said of a folder from its headers
examination.py     what a model is asked and answered with, tried once before it is used
chat_template.py   a conversation as the model's own template renders it
plain_text.py      control tokens in what users write, broken so that they are text
answers.py         answers behind prompts, as tokens and labels
running.py         a batch that questions join and leave while it is being answered
sampling.py        which token comes next
packing.py         several answers to one prompt in one pass
picture_tokens.py  what tower and projector say of pictures, in every way that families give it
prompt_cache.py    prompts tokenised once, picture features computed once
adapters.py        LoRA adapters on one base in memory
features.py        what the vision tower says of pictures, kept over the life of a run
encoders.py        what several layers of any vision model say of pictures
probe.py           what a model makes of pictures inside
rater.py           a language model that rates texts
room.py            whether texts fit into a model's positions
quantised.py       bases held in fewer bits: which packages they need, and which layers
sizes.py           how large a model and its adapters are, without loading it
published.py       published models whose shapes are known without a file
counting.py        what passes take, counted without weights
folders.py  devices.py  processors.py  sharding.py  memory.py  quiet.py
                   where weights lie; which device; which processor; a base too large for one card; peak memory; less noise
llava.py           what the LLaVAs that are put together here share
plugins.py         model classes that transformers does not know: ours, and those of other packages
table.py           bases that are made here; bases.py makes one, or finds it in the cache
toy/               the tiny LLaVA, trained from scratch
real/              a small LLaVA put together from pretrained parts
"""
