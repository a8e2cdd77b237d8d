"""What test_sharding.py has two processes do: load BASE in shards, and say what each holds and answers."""

import json
import sys
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor

from mlubench.core import processes
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query

base, picture, folder = (Path(word) for word in sys.argv[1:])
processes.start()
mllm = MLLM.load(base, device="cpu")
layers = [p for layer in mllm.layers for p in layer.parameters()]
with torch.no_grad():
    logits = mllm.model(**mllm.encode([Query(picture, "What is it?")]), use_cache=False).logits
found = {
    "sharded": mllm.sharded,
    "whole": sum(p.numel() for p in layers),
    "held": sum(p.to_local().numel() if isinstance(p, DTensor) else p.numel() for p in layers),
    "beside": any(isinstance(p, DTensor) for p in mllm.base.model.vision_tower.parameters()),
    "logits": logits[0, -1].tolist(),
}
(folder / f"{processes.rank()}.json").write_text(json.dumps(found))
processes.stop()
