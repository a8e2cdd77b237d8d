"""Real families through everything a run does with a model: see, train, archive, load, answer, and be routed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.gates.base import GateQuery
from mlubench.lumoe.gates.prototype import PrototypeGate
from mlubench.models.adapters import add_adapter, load_adapter, save_adapter
from mlubench.models.answers import answer_labels, answer_logits, append_answers
from mlubench.models.families import parts_of
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.settings.gates import GateConfig
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark, Route
from support.short_training import FAMILIES, MODULES, TRAINED, fit, said, step

Load = Callable[..., MLLM]
QUESTIONS = [
    "What?",
    "Which building do you see in this picture, and where?",
    "Who made it?",
    "Is it old, é, 紅河?",
]
ANSWERS = ["No", "It is a building in the old town.", "I do not know who made this one.", "Yes."]


def queries(shapes: list[Path]) -> list[Query]:
    """Different questions about pictures of different shapes, the third after an earlier turn."""
    history = [(), (), (("Where is it?", "In the old town."),), ()]
    return [Query(*q) for q in zip(shapes, QUESTIONS, history, strict=True)]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_loss_changes_when_only_the_picture_does(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    mllm = load_family(name)
    square = [shapes[2], shapes[2].with_name("other.png")]
    mllm.picture(shapes[2]).rotate(90).save(square[1])
    seen, again, other = (
        said(mllm, [Query(p, "What?")], ["No"]) for p in (square[0], square[0], square[1])
    )
    assert torch.equal(seen, again)
    assert (seen - other).abs().max() > 1e-2
    blind = mllm.encode([Query(p, "What?") for p in square], ["No", "No"])
    assert torch.equal(
        blind["input_ids"][0], blind["input_ids"][1]
    )  # nothing but the pixels differs


@pytest.mark.parametrize("name", FAMILIES)
def test_batching_pictures_of_any_shape_changes_no_answer_logit(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    mllm = load_family(name)
    asked = queries(shapes)
    with torch.no_grad():
        together, labels = answer_logits(mllm.model, mllm.encode(asked, ANSWERS))
        for row, (query, answer) in enumerate(zip(asked, ANSWERS, strict=True)):
            alone, ids = answer_logits(mllm.model, mllm.encode([query], [answer]))
            told = labels[row] >= 0
            assert torch.equal(labels[row][told], ids[0])
            assert torch.allclose(together[row][told], alone[0], atol=1e-3), name


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_generated_is_what_training_would_find_likeliest(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    """Generation (cached, one token at a time) and the training pass agree on every position and every picture."""
    mllm = load_family(name)
    asked = queries(shapes)
    batch = mllm.encode(asked)
    ids = mllm.model.generate(
        **batch, max_new_tokens=6, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    labels = answer_labels(ids[:, batch["input_ids"].shape[1] :].tolist())
    batch = {**append_answers(batch, labels, mllm.tokenizer.pad_token_id), "labels": labels}
    with torch.no_grad():
        logits, _ = answer_logits(mllm.model, batch)
    assert torch.equal(logits.argmax(-1), labels)


@pytest.mark.parametrize("name", TRAINED)
def test_answers_do_not_depend_on_what_was_asked_before(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    """Qwen's model keeps positions of its last pictures; a question in words alone must not take them over."""
    mllm, asked = load_family(name), queries(shapes)
    words = [Query(None, q) for q in QUESTIONS[:3]]
    fresh = mllm.generate(words, max_new_tokens=6)
    pictured = mllm.generate(asked, max_new_tokens=6)
    assert mllm.generate(words, max_new_tokens=6) == fresh
    assert [mllm.generate([q], max_new_tokens=6)[0] for q in asked] == pictured
    assert len(set(pictured)) > 1


@pytest.mark.parametrize("scope", ["language", "projector", "vision", "all"])
@pytest.mark.parametrize("name", TRAINED)
def test_an_adapter_of_any_scope_trains_and_loads(
    load_family: Load,
    benchmark: Benchmark,
    shapes: list[Path],
    tmp_path: Path,
    name: str,
    scope: str,
) -> None:
    mllm, asked = load_family(name), queries(shapes)
    before = said(mllm, asked, ANSWERS)
    add_adapter(mllm, "default", LoraConfig(r=4, alpha=4), scope, seed=0)  # type: ignore[arg-type]
    assert torch.allclose(said(mllm, asked, ANSWERS), before, atol=1e-5)
    facts = step(mllm, "po", benchmark, tmp_path / "work")
    assert facts.last_loss < facts.first_loss
    moved = {
        k.split(".lora_")[0]
        for k, p in mllm.model.named_parameters()
        if ".lora_B." in k and p.abs().max() > 0
    }
    assert {parts_of(mllm.base).part_of(k) for k in moved} == set(MODULES[scope])
    projector = parts_of(mllm.base).projector
    if scope != "language" and name == "qwen3_vl":
        assert all(
            any(f".{p}." in k for k in moved) for p in projector
        )  # the deepstack mergers are trained too
    after = said(mllm, asked, ANSWERS)
    assert (after - before).abs().max() > 1e-3
    (tmp_path / "archive").mkdir()
    save_adapter(mllm, "default", tmp_path / "archive")
    again = load_family(name)
    load_adapter(again, "A", tmp_path / "archive")
    assert torch.allclose(said(again, asked, ANSWERS), after, atol=1e-5)


@pytest.mark.parametrize("loss", ["ga", "gd", "kl", "npo", "dpo"])
@pytest.mark.parametrize("name", ["llava_next", "qwen3_vl"])
def test_every_method_trains(
    load_family: Load, benchmark: Benchmark, tmp_path: Path, name: str, loss: str
) -> None:
    mllm = load_family(name)
    add_adapter(mllm, "default", LoraConfig(r=4, alpha=4), "all", seed=0)
    facts = step(mllm, loss, benchmark, tmp_path)
    assert facts.steps == 4
    assert facts.last_loss < facts.first_loss


@pytest.mark.parametrize("name", FAMILIES)
def test_features_tell_pictures_apart_and_are_blind_to_batching(
    load_family: Load, shapes: list[Path], name: str
) -> None:
    mllm = load_family(name)
    rows = mllm.picture_features(shapes)
    assert rows.shape == (len(shapes), mllm.base.config.text_config.hidden_size)
    assert torch.allclose(rows.norm(dim=1), torch.ones(len(shapes)), atol=1e-5)
    assert torch.allclose(mllm.picture_features(shapes, batch=1), rows, atol=1e-5)
    assert torch.pdist(rows).min() > 1e-2


@pytest.mark.parametrize("name", TRAINED)
def test_gate_and_experts_route_and_answer(
    load_family: Load, benchmark: Benchmark, shapes: list[Path], tmp_path: Path, name: str
) -> None:
    mllm = load_family(name)
    for task in ("A", "B"):
        add_adapter(mllm, task, LoraConfig(r=4, alpha=4), "all", seed=1)
        step(mllm, "po", benchmark, tmp_path, task=task)
    engine = LUMoE(mllm, PrototypeGate(), FeatureCache(mllm))
    engine.gate.fit(list(benchmark), benchmark, engine.features, GateConfig())
    samples = [*fit(benchmark, "forget"), *fit(benchmark, "retain")]
    gated = [GateQuery(benchmark.picture(s), s.question, s.entity) for s in samples]
    routes = engine.routes(gated)
    assert {r.experts for r in routes} >= {
        ("A",),
        (),
    }  # on its own training pictures the gate knows some from others
    asked = [Query(shapes[n % 4], QUESTIONS[n % 4]) for n in range(6)] + [Query(None, "What?")]
    to = [Route(e, None, 0.0, "test") for e in (("A",), (), ("B",), ("A", "B"), ("A",), (), ("B",))]
    mixed = engine.generate(asked, to, max_new_tokens=5)
    assert mixed == [
        engine.generate([q], [r], max_new_tokens=5)[0] for q, r in zip(asked, to, strict=True)
    ]
    base = load_family(name)
    assert [mixed[1], mixed[5]] == [base.generate([asked[n]], max_new_tokens=5)[0] for n in (1, 5)]


@pytest.mark.parametrize("name", TRAINED)
def test_half_precision_trains_answers_and_gives_features(
    load_family: Load, benchmark: Benchmark, shapes: list[Path], tmp_path: Path, name: str
) -> None:
    mllm = load_family(name, "bfloat16")
    assert mllm.base.dtype == torch.bfloat16
    assert mllm.picture_features(shapes).dtype == torch.float32
    add_adapter(mllm, "default", LoraConfig(r=4, alpha=4), "all", seed=0)
    facts = step(mllm, "po", benchmark, tmp_path)
    assert facts.last_loss < facts.first_loss
    assert len(mllm.generate(queries(shapes), max_new_tokens=4)) == 4
