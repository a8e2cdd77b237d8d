"""The ways of answering routed queries that `serving.py` times, each on its own twin of a base with random weights."""

import copy
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from mlubench.core.files import whole_dir
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.engine.residents import Residents
from mlubench.lumoe.experts.manifest import WEIGHTS
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.lumoe.gates.oracle import OracleGate
from mlubench.models.adapters import add_adapter, load_adapter, remove_adapters, save_adapter
from mlubench.models.families import parts_of
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.models.published import PUBLISHED
from mlubench.models.query import Query
from mlubench.models.toy.base import build_model, build_processor
from mlubench.settings.model import ToyConfig
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark, Route

SIZES = {  # the tiny LLaVA, but with 64 picture tokens as 96 pixels by 12 give; 7b has the 576 of 336 pixels by 14
    "tiny": ToyConfig(image_size=96),
    "small": ToyConfig(
        width=768, layers=11, vision_width=384, vision_layers=4, image_size=96, vocabulary=3000
    ),
    "7b": ToyConfig(image_size=336, patch=14, vocabulary=3000),
}
Names = Sequence[str | None]  # the expert of each query, None for the base
Way = Callable[[Names], list[str]]


def make_base(size: str, benchmark: Benchmark, device: str, dtype: str) -> MLLM:
    """A LLaVA of that size with random weights that never ends an answer, so that all ways generate equally many tokens."""
    torch.manual_seed(0)
    samples = benchmark.samples
    processor = build_processor(
        SIZES[size], [s.truth for s in samples], sorted({s.question for s in samples})
    )
    with torch.device(device):
        model: Any = (
            _llava_7b(processor) if size == "7b" else build_model(SIZES[size], processor.tokenizer)
        )
    model = model.to(getattr(torch, dtype)).requires_grad_(False).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    return MLLM(model, processor, parts_of(model), f"random-{size}")


def _llava_7b(processor: Any) -> Any:
    """LLaVA-v1.5's shape: one picture of 576 tokens in front of Vicuna-7B."""
    from transformers import LlavaForConditionalGeneration

    config = PUBLISHED["llava-1.5-7b-hf"].config()
    config.image_token_id = processor.tokenizer.convert_tokens_to_ids("<image>")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)  # in full precision it would not fit beside the experts
    try:
        return LlavaForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)


def twin(mllm: MLLM, *, deep: bool = False) -> MLLM:
    """Another MLLM on the same weights, or with `deep` on a copy of them, so that what is mounted on one is on no other."""
    shared = {} if deep else {id(t): t for t in (*mllm.model.parameters(), *mllm.model.buffers())}
    return MLLM(copy.deepcopy(mllm.model, shared), mllm.processor, mllm.parts, mllm.name)


def write_experts(mllm: MLLM, root: Path, count: int, rank: int) -> ExpertStore:
    """`count` experts of random weights, strong enough that each changes what is said."""
    add_adapter(mllm, "e0", LoraConfig(r=rank, alpha=rank), "language", seed=0)
    template = root / "template"
    template.mkdir(parents=True)
    save_adapter(mllm, "e0", template)
    remove_adapters(mllm)
    shapes = {name: t.shape for name, t in load_file(template / WEIGHTS).items()}
    store = ExpertStore(root / "experts")
    for n in range(count):
        generator = torch.Generator(mllm.device).manual_seed(n + 1)
        drawn = {}
        for key, shape in shapes.items():
            weights = torch.randn(shape, generator=generator, device=mllm.device)
            drawn[key] = weights * 0.5 * shape[-1] ** -0.5
        with whole_dir(store.root / f"e{n}", {"base": mllm.name, "tasks": [f"e{n}"]}) as out:
            (out / "adapter_config.json").write_bytes(
                (template / "adapter_config.json").read_bytes()
            )
            save_file({k: t.to(mllm.base.dtype).cpu() for k, t in drawn.items()}, out / WEIGHTS)
    return store


def routes(names: Names) -> list[Route]:
    return [Route((name,) if name else (), None, 0.0, "drawn") for name in names]


def lumoe(mllm: MLLM, store: ExpertStore, count: int, limit: int | None = None) -> LUMoE:
    """The engine with the first `count` experts to hand."""
    engine = LUMoE(mllm, OracleGate(), FeatureCache(mllm))
    engine.experts = Residents(mllm, limit)
    for n in range(count):
        engine.experts.add(store, f"e{n}")
    return engine


def ours(engine: LUMoE, queries: Sequence[Query], new: int) -> Way:
    return lambda names: engine.generate(queries, routes(names), max_new_tokens=new)


def peft_host(base: MLLM, store: ExpertStore, count: int) -> MLLM:
    """A twin of the base with the first `count` experts mounted by PEFT, in the base's precision."""
    host = twin(base)
    for n in range(count):
        load_adapter(host, f"e{n}", store.root / f"e{n}")
    return host


def set_adapter(host: MLLM, queries: Sequence[Query], new: int) -> Way:
    """Queries grouped by expert, which PEFT switches on group by group."""

    def answer(names: Names) -> list[str]:
        texts: dict[int, str] = {}
        for name in dict.fromkeys(names):
            rows = [n for n, other in enumerate(names) if other == name]
            if name is not None:
                host.model.set_adapter(name)
            with nullcontext() if name else host.model.disable_adapter():
                texts |= zip(
                    rows, host.generate([queries[n] for n in rows], max_new_tokens=new), strict=True
                )
        return [texts[n] for n in range(len(names))]

    return answer


def adapter_names(host: MLLM, queries: Sequence[Query], new: int) -> Way:
    """One batch, in which PEFT is told the adapter of each row."""

    @torch.inference_mode()
    def answer(names: Names) -> list[str]:
        batch = host.encode(queries)
        ids = host.model.generate(
            **batch,
            adapter_names=[name or "__base__" for name in names],
            max_new_tokens=new,
            do_sample=False,
            pad_token_id=host.tokenizer.pad_token_id,
        )
        texts = host.tokenizer.batch_decode(
            ids[:, batch["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return [text.strip() for text in texts]

    return answer


def authors(
    base: MLLM, store: ExpertStore, names: Names, queries: Sequence[Query], new: int
) -> Way:
    """As the authors' release does: the whole model once more for each expert, and one query at a time."""
    copies: dict[str | None, MLLM] = {None: base}
    for name in set(names) - {None}:
        copies[name] = twin(base, deep=True)
        load_adapter(copies[name], "default", store.root / str(name))
    return lambda names: [
        copies[name].generate([query], max_new_tokens=new)[0]
        for name, query in zip(names, queries, strict=True)
    ]
