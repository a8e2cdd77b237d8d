"""Mixed batches: every row gets exactly the sum of its experts, the base's rows not a bit, and nothing stays behind."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mlubench.core.errors import MlubenchError
from mlubench.core.files import whole_dir
from mlubench.lumoe.engine import mixing
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.engine.mixing import plan, shared_by
from mlubench.lumoe.engine.residents import Residents
from mlubench.lumoe.experts.manifest import WEIGHTS
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.lumoe.gates.oracle import OracleGate
from mlubench.models.adapters import add_adapter, mounted, remove_adapters, save_adapter
from mlubench.models.answers import answer_logits
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.settings.training import LoraConfig
from mlubench.types import Benchmark, Route, Scope

NEW = 12
# name -> rank, alpha, scope, parts trained whole
EXPERTS: dict[str, tuple[int, int, Scope, tuple]] = {
    "A": (4, 8, "language", ()),
    "B": (16, 16, "language", ()),
    "C": (4, 4, "language", ()),
    "V": (4, 4, "vision", ()),
    "W": (4, 4, "projector", ("projector",)),
    "X": (4, 4, "projector", ("projector",)),
}


def write(mllm: MLLM, root: Path, name: str) -> None:
    """An expert of random weights that change what is said; what is trained whole is disturbed a little."""
    rank, alpha, scope, full = EXPERTS[name]
    add_adapter(mllm, name, LoraConfig(r=rank, alpha=alpha), scope, seed=1, full=full)
    with whole_dir(root / name, {"base": mllm.name, "tasks": [name]}) as out:
        save_adapter(mllm, name, out)
        torch.manual_seed(ord(name))
        drawn = {
            k: torch.randn_like(t) * t.shape[-1] ** -0.5 * 0.7
            if "lora_" in k
            else t + 0.05 * torch.randn_like(t)
            for k, t in load_file(out / WEIGHTS).items()
        }
        save_file(drawn, out / WEIGHTS)
    remove_adapters(mllm)


@pytest.fixture(scope="module")
def drawn(base_path: Path, tmp_path_factory: pytest.TempPathFactory) -> ExpertStore:
    mllm = MLLM.load(base_path, device="cpu")
    mllm.name = base_path.name
    root = tmp_path_factory.mktemp("drawn")
    for name in EXPERTS:
        write(mllm, root, name)
    return ExpertStore(root)


@pytest.fixture
def engine(load_base: Callable, drawn: ExpertStore) -> Callable[..., LUMoE]:
    """Makes the engine on a fresh base with these experts to hand."""

    def make(names: str = "ABC", limit: int | str | None = None) -> LUMoE:
        mllm = load_base()
        made = LUMoE(mllm, OracleGate(), FeatureCache(mllm))
        made.experts = Residents(mllm, limit)
        for name in names:
            made.experts.add(drawn, name)
        return made

    return make


@pytest.fixture(scope="module")
def queries(benchmark: Benchmark) -> list[Query]:
    samples = [s for s in benchmark.task("A").samples if s.role == "test"][::5][:12]
    return [Query(benchmark.picture(s), s.question) for s in samples]


def route(experts: str) -> Route:
    return Route(tuple(experts), None, 0.0, "by hand")


def logits(mllm: MLLM, queries: list[Query]) -> torch.Tensor:
    with torch.inference_mode():
        return answer_logits(mllm.model, mllm.encode(queries, ["An answer."] * len(queries)))[0]


def routed(engine: LUMoE, queries: list[Query], ways: list[str]) -> torch.Tensor:
    """Logits of one batch whose rows go these ways, in the order of the queries."""
    routes = [route(w) for w in ways]
    (rows,) = engine.passes(queries, routes)
    with engine.answering([routes[n] for n in rows]):
        found = logits(engine.mllm, [queries[n] for n in rows])
    return found[torch.tensor(rows).argsort()]


@contextmanager
def by_hand(mllm: MLLM, root: Path, factors: dict[str, float]) -> Iterator[None]:
    """The deltas, factor * scale * B @ A, added to the matrices themselves, and taken off again."""
    before = {k: v.clone() for k, v in mllm.base.state_dict().items()}
    for name, factor in factors.items():
        told = json.loads((root / name / "adapter_config.json").read_text())
        found = load_file(root / name / WEIGHTS)
        for key in [k for k in found if ".lora_A." in k]:
            module = key.removeprefix("base_model.model.").partition(".lora_A.")[0]
            delta = found[key.replace(".lora_A.", ".lora_B.")] @ found[key]
            mllm.base.get_submodule(module).weight.add_(
                factor * told["lora_alpha"] / told["r"] * delta
            )
    yield
    mllm.base.load_state_dict(before)


WAYS = ["", "A", "B", "A", "AB", "", "C", "BA", "A", "ABC", "", "A"]


@pytest.mark.parametrize("room", [1 << 30, 1])
@pytest.mark.parametrize("weights", [{}, {"A": 0.5, "B": 1.5}])
def test_each_row_is_the_sum_of_its_deltas(
    engine: Callable,
    drawn: ExpertStore,
    queries: list[Query],
    weights: dict,
    room: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ranks differ, rows repeat, some hit several; with room for copies and without."""
    monkeypatch.setattr(mixing, "ROOM", room)
    lumoe = engine()
    lumoe.weights = weights
    got = routed(lumoe, queries, WAYS)
    for n, way in enumerate(WAYS):
        with by_hand(
            lumoe.mllm, drawn.root, {e: weights.get(e, 1) if len(way) > 1 else 1 for e in way}
        ):
            want = logits(lumoe.mllm, queries)[n]
        assert (got[n] - want).abs().max() <= 1e-4, way
    assert (got[1] - got[0]).abs().max() > 0.1


def test_rows_of_the_base_are_the_bases_to_the_bit(
    engine: Callable, load_base: Callable, queries: list[Query]
) -> None:
    lumoe = engine()
    rows = lumoe.passes(queries, [route(w) for w in WAYS])[0]
    ordered, ways = [queries[n] for n in rows], [WAYS[n] for n in rows]
    assert torch.equal(routed(lumoe, ordered, ways)[:3], logits(load_base(), ordered)[:3])
    assert ways[:4] == ["", "", "", "A"]


@pytest.mark.parametrize("peft", [False, True])
def test_a_mixed_batch_says_what_each_expert_says_alone(
    engine: Callable, drawn: ExpertStore, load_base: Callable, queries: list[Query], peft: bool
) -> None:
    """Also on a base that PEFT has wrapped, where V is mounted and switched off."""
    lumoe = engine("ABCV" if peft else "ABC")
    assert hasattr(lumoe.mllm.model, "peft_config") == peft
    asked = [*queries, Query(None, "Who is this?"), Query(None, "What is it?")]
    ways = [*WAYS, "A", ""]
    together = lumoe.generate(asked, [route(w) for w in ways], max_new_tokens=NEW)
    other = load_base()
    for name in "ABC":
        drawn.mount(other, name)
    for query, way, text in zip(asked, ways, together, strict=True):
        with mounted(other, list(way)):
            assert other.generate([query], max_new_tokens=NEW) == [text]
    assert len(set(together)) > 4


@pytest.mark.parametrize("other", ["V", "W"])
def test_what_cannot_be_stacked_is_mounted_apart(
    engine: Callable, drawn: ExpertStore, load_base: Callable, queries: list[Query], other: str
) -> None:
    """A LoRA of the tower or a projector trained whole, and the sum of it with an expert that is stacked."""
    lumoe = engine(f"A{other}")
    assert list(lumoe.experts) == ["A"]
    ways = [other, "A", f"A{other}", "", f"{other}A", other]
    together = lumoe.generate(queries[:6], [route(w) for w in ways], max_new_tokens=NEW)
    peft = load_base()
    for name in f"A{other}":
        drawn.mount(peft, name)
    for query, way, text in zip(queries, ways, together, strict=False):
        with mounted(peft, list(way)):
            assert peft.generate([query], max_new_tokens=NEW) == [text]
    assert torch.equal(logits(lumoe.mllm, queries), logits(load_base(), queries))


class Both(OracleGate):
    """Says that every query hits both experts that trained the projector whole, and every other one A as well."""

    def route(self, queries, features):  # type: ignore[no-untyped-def]
        return [route("WX" if n % 2 else "AW") for n in range(len(queries))]


def test_two_copies_of_a_part_refuse_one_query_not_the_run(
    engine: Callable, queries: list[Query]
) -> None:
    lumoe = engine("AWX")
    lumoe.gate = Both()
    asked = queries[:4]
    routes = lumoe.routes(asked)
    assert [r.refused for r in routes] == [False, True, False, True]
    assert not any(r.failed for r in routes)
    assert "copies have no sum; refused" in routes[1].why
    answers = lumoe.generate(asked, routes, max_new_tokens=NEW)
    assert answers[1] == answers[3] != answers[0]
    lumoe.weights = {"W": 0.5}
    assert all("no weight" in r.why or "no sum" in r.why for r in lumoe.routes(asked) if r.refused)
    assert all(r.refused for r in lumoe.routes(asked))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_between_two_tokens_leaves_nothing_mounted(
    engine: Callable, load_base: Callable, queries: list[Query], error: type[BaseException]
) -> None:
    lumoe, passes = engine(), []

    def fail(*_: object) -> None:
        passes.append(1)
        if len(passes) == 3:
            raise error("in the middle")

    hook = lumoe.mllm.layers[-1].register_forward_hook(fail)
    with pytest.raises(error):
        lumoe.generate(queries, [route(w) for w in WAYS], max_new_tokens=NEW)
    hook.remove()
    assert not any(
        m._forward_hooks for m in lumoe.mllm.base.modules() if isinstance(m, torch.nn.Linear)
    )
    assert torch.equal(logits(lumoe.mllm, queries), logits(load_base(), queries))
    again = lumoe.generate(queries, [route(w) for w in WAYS], max_new_tokens=NEW)
    assert again == engine().generate(queries, [route(w) for w in WAYS], max_new_tokens=NEW)


def test_a_batch_of_other_rows_is_an_error(engine: Callable, queries: list[Query]) -> None:
    lumoe = engine()
    with (
        pytest.raises(MlubenchError, match="a batch of 2 rows was routed as 1"),
        lumoe.answering([route("A")]),
    ):
        logits(lumoe.mllm, queries[:2])
    with pytest.raises(ValueError, match="order of their needs"):
        plan(lumoe.experts, [(("A", 1.0),), ()])


def test_memory_grows_by_the_adapter_alone(engine: Callable, drawn: ExpertStore) -> None:
    lumoe, sizes = engine(""), []
    for name in "ACB":
        lumoe.experts.add(drawn, name)
        sizes.append(lumoe.experts.bytes)
    files = [
        sum(t.numel() * 4 for t in load_file(drawn.root / n / WEIGHTS).values()) for n in "ACB"
    ]
    assert sizes == [sum(files[:1]), sum(files[:2]), sum(files)]
    assert not hasattr(lumoe.mllm.model, "peft_config")


@pytest.mark.parametrize("limit", [1, 2, "1MB"])
def test_experts_come_back_from_disk_with_the_same_answers(
    engine: Callable, queries: list[Query], limit: int | str
) -> None:
    few, every = engine("ABC", limit), engine("ABC")
    routes = [route(w) for w in WAYS]
    reads = few.experts.loads
    for _ in range(2):
        got = few.generate(queries, routes, max_new_tokens=NEW)
        assert got == every.generate(queries, routes, max_new_tokens=NEW)
        assert few.experts.bytes <= 2**20 if limit == "1MB" else len(few.experts.in_memory) <= limit
    assert (few.experts.loads - reads > 2) == (limit != "1MB" or every.experts.bytes > 2**20)
    assert every.experts.loads == 3


def test_one_that_comes_back_is_hashed_again_only_if_a_file_changed(
    engine: Callable, store: ExpertStore, queries: list[Query], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlubench.lumoe.engine import residents

    hashed: list[str] = []
    checking = residents.verified
    monkeypatch.setattr(
        residents,
        "verified",
        lambda m, name, folder: (hashed.append(name), checking(m, name, folder)),
    )
    lumoe = engine("", 1)
    for name in ("A", "B"):
        lumoe.experts.add(store, name)
    for name in ("A", "B", "A"):
        lumoe.generate(queries[:1], [route(name)], max_new_tokens=2)
    assert hashed == ["A", "B"]
    os.utime(store.root / "B" / WEIGHTS)
    lumoe.generate(queries[:1], [route("B")], max_new_tokens=2)
    assert hashed == ["A", "B", "B"]
    weights = store.root / "A" / WEIGHTS
    held = bytearray(weights.read_bytes())
    held[-1] ^= 1
    weights.write_bytes(held)
    with pytest.raises(MlubenchError, match="is missing or changed"):
        lumoe.generate(queries[:1], [route("A")], max_new_tokens=2)


@pytest.mark.parametrize(
    ("counts", "share"),
    [([1, 1, 1], 1), ([4, 4], 4), ([8], 8), ([5, 7, 8, 6], 8), ([1, 1, 1, 9], 3), ([2, 1], 2)],
)
def test_blocks_are_few_and_not_mostly_padding(counts: list[int], share: int) -> None:
    assert shared_by(counts) == share
