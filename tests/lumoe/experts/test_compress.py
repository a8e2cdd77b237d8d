"""Compressed sums of experts: exact at full rank, below it as far off as singular values say, and plain PEFT folders."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mlubench.core.errors import UsageError
from mlubench.lumoe.experts import compress
from mlubench.lumoe.experts.compress import Deltas, Factors
from mlubench.lumoe.experts.store import ExpertStore
from mlubench.models.adapters import load_adapter, mounted
from mlubench.models.answers import answer_logits
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.types import Benchmark


def random_deltas(seed: int, rank: int = 3, modules: tuple[str, ...] = ("m", "n")) -> Deltas:
    dice = torch.Generator().manual_seed(seed)

    def factors(wide: int) -> Factors:
        b, a = (
            torch.randn(*s, generator=dice, dtype=torch.double) for s in ((9, rank), (rank, wide))
        )
        return Factors(b, a)

    return {m: factors(7 + n) for n, m in enumerate(modules)}


def full(deltas: Deltas) -> dict[str, torch.Tensor]:
    return {m: f.b @ f.a for m, f in deltas.items()}


def test_a_weighted_sum_is_exact() -> None:
    one, two = random_deltas(0), random_deltas(1, rank=2, modules=("m",))
    found = full(compress.weighted_sum([one, two], [0.5, 2.0]))
    assert torch.allclose(found["m"], 0.5 * full(one)["m"] + 2 * full(two)["m"])
    assert torch.allclose(found["n"], 0.5 * full(one)["n"])


@pytest.mark.parametrize("rank", [1, 2, 4, 5])
def test_the_error_is_the_tail_of_the_singular_values(rank: int) -> None:
    total = compress.weighted_sum([random_deltas(0), random_deltas(1, rank=2)], [1.0, 1.0])
    small = compress.compress(total, rank)
    assert all(f.a.shape[0] == f.b.shape[1] == rank for f in small.deltas.values())
    tails, wholes = 0.0, 0.0
    for module, matrix in full(total).items():
        values = torch.linalg.svdvals(matrix)
        off = torch.linalg.matrix_norm(matrix - full(small.deltas)[module])
        assert off.item() == pytest.approx(float((values[rank:] ** 2).sum() ** 0.5), abs=1e-9)
        tails, wholes = tails + float((values[rank:] ** 2).sum()), wholes + float((values**2).sum())
    assert small.error == pytest.approx(tails**0.5, abs=1e-9)
    assert small.relative_error == pytest.approx((tails / wholes) ** 0.5, abs=1e-9)


def test_a_rank_above_what_there_is_is_filled_up_with_nothing() -> None:
    total = random_deltas(0, rank=3)
    large = compress.compress(total, 12)  # wider than the matrices themselves
    assert large.relative_error < 1e-9
    assert all(f.a.shape[0] == 12 for f in large.deltas.values())
    assert all(torch.allclose(full(large.deltas)[m], matrix) for m, matrix in full(total).items())


def test_nothing_compresses_to_nothing() -> None:
    none = {"m": Factors(torch.zeros(5, 2).double(), torch.ones(2, 4).double())}
    assert compress.compress(none, 1).relative_error == 0.0
    assert compress.cosine(none, none) == 0.0


def logits_of(mllm: MLLM, benchmark: Benchmark, names: list[str]) -> torch.Tensor:
    sample = benchmark.task("A").forget[0]
    with mounted(mllm, names), torch.no_grad():
        batch = mllm.encode([Query(benchmark.picture(sample), sample.question)], [sample.truth])
        return answer_logits(mllm.model, batch)[0]


def test_at_full_rank_the_merged_expert_says_what_both_say_together(
    store: ExpertStore, load_base: Callable, benchmark: Benchmark, tmp_path: Path
) -> None:
    folders = [store.folder(n) for n in ("A", "B")]
    total = compress.weighted_sum([compress.read_deltas(f) for f in folders], [1.0, 1.0])
    rank = sum(compress.rank_of(f) for f in folders)
    assert rank == 32
    compress.write_adapter(compress.compress(total, rank).deltas, folders[0], tmp_path / "both")
    mllm = load_base()
    for name, folder in zip("AB", folders, strict=True):
        load_adapter(mllm, name, folder)
    load_adapter(mllm, "both", tmp_path / "both")
    apart, merged = logits_of(mllm, benchmark, ["A", "B"]), logits_of(mllm, benchmark, ["both"])
    assert torch.allclose(apart, merged, atol=1e-4)
    assert not torch.allclose(apart, logits_of(mllm, benchmark, ["A"]), atol=1e-2)
    back = compress.read_deltas(tmp_path / "both")
    for module, matrix in full(total).items():
        assert torch.allclose(full(back)[module], matrix, atol=1e-5)


def test_what_was_written_fits_a_store_and_its_base(
    store: ExpertStore, facts: dict, mllm: MLLM, tmp_path: Path
) -> None:
    deltas = compress.read_deltas(store.folder("A"))
    compress.write_adapter(
        compress.compress(deltas, 4).deltas, store.folder("A"), tmp_path / "small"
    )
    store.add("C", tmp_path / "small", facts)
    store.mount(mllm, "C")
    assert compress.rank_of(store.folder("C")) == 4
    assert (
        load_file(tmp_path / "small" / "adapter_model.safetensors").keys()
        == load_file(store.folder("A") / "adapter_model.safetensors").keys()
    )


def test_scales_of_the_settings_are_part_of_the_deltas(store: ExpertStore, tmp_path: Path) -> None:
    folder = store.folder("A")
    plain = full(compress.read_deltas(folder))
    config = (folder / "adapter_config.json").read_text()
    module = sorted(plain)[0]
    changed = config.replace('"lora_alpha": 16', '"lora_alpha": 32').replace(
        '"alpha_pattern": {}', f'"alpha_pattern": {{"{module}": 8}}'
    )
    assert changed.count("32") > config.count("32")
    (folder / "adapter_config.json").write_text(changed)
    scaled = full(compress.read_deltas(folder))
    for name, matrix in plain.items():
        assert torch.allclose(scaled[name], matrix * (0.5 if name == module else 2))
    (folder / "adapter_config.json").write_text(
        config.replace('"use_rslora": false', '"use_rslora": true')
    )
    assert torch.allclose(full(compress.read_deltas(folder))[module], plain[module] * 4)


def test_a_part_trained_whole_has_no_sum(store: ExpertStore) -> None:
    path = store.folder("A") / "adapter_model.safetensors"
    save_file({**load_file(path), "base_model.model.lm_head.weight": torch.ones(2, 2)}, path)
    with pytest.raises(UsageError, match="has no sum"):
        compress.read_deltas(store.folder("A"))


def test_cosine_and_groups() -> None:
    a, b = random_deltas(0), random_deltas(1)
    flat = {k: torch.cat([m.flatten() for m in full(d).values()]) for k, d in (("a", a), ("b", b))}
    expected = torch.nn.functional.cosine_similarity(flat["a"], flat["b"], dim=0)
    assert compress.cosine(a, b) == pytest.approx(float(expected))
    near = {m: Factors(f.b * 1.5, f.a) for m, f in a.items()}
    assert compress.by_similarity({"A": a, "B": b, "C": near}, 2) == [["A", "C"], ["B"]]
    assert compress.in_order(list("ABCDE"), 2) == [["A", "B"], ["C", "D", "E"]]
    assert compress.in_order(list("ABCD"), 4) == [["A"], ["B"], ["C"], ["D"]]
