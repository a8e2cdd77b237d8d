"""A request about what the gate was made to keep: it goes, the rest stays, and taken out again nothing tells of it."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from mlubench.core.errors import UsageError
from mlubench.lumoe.engine.lumoe import LUMoE
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.mllm import MLLM
from mlubench.requests.desk import Desk
from mlubench.types import Benchmark, Entity, Route
from support.requests import ENTITY


@pytest.fixture
def kept(benchmark: Benchmark) -> Entity:
    return benchmark.task("A").retain[0].entity


def pictures_of(benchmark: Benchmark, entity: Entity) -> Path:
    return benchmark.image_root / "downloaded_images" / entity.key


def routes(place: Path, mllm: MLLM, benchmark: Benchmark) -> dict[str, Route]:
    """Of one held-out picture of each entity, with all digits."""
    samples = {s.entity.key: s for s in benchmark.samples if s.tests}
    queries = [GateQuery(benchmark.picture(s), s.question) for s in samples.values()]
    return dict(zip(samples, LUMoE.open(place, mllm).routes(queries), strict=True))


def test_it_goes_and_comes_back_bit_for_bit(
    desk: Desk, kept: Entity, whole_benchmark: Benchmark
) -> None:
    place = desk.place.path
    before = routes(place, desk.mllm, whole_benchmark)
    row, _ = desk.submit(kept, pictures_of(whole_benchmark, kept))
    found = desk.preview(row.id)
    assert (found.leak.value, found.missed_bounds) == (0, ())
    desk.approve(row.id)
    during = routes(place, desk.mllm, whole_benchmark)
    assert not before[kept.key].refused and during[kept.key].refused
    for key, route in before.items():
        if key != kept.key:
            assert during[key].experts == route.experts
    desk.revert(row.id)
    assert routes(place, desk.mllm, whole_benchmark) == before


def test_beside_another_request_each_is_taken_out_as_if_it_had_never_come(
    desk: Desk,
    sent: Path,
    kept: Entity,
    whole_benchmark: Benchmark,
    tmp_path: Path,
    load_base: Callable[[], MLLM],
) -> None:
    pictures = pictures_of(whole_benchmark, kept)
    alone = {}
    for entity, folder in ((ENTITY, sent), (kept, pictures)):
        other = Desk.open(copytree(desk.place.path, tmp_path / entity.name), desk.mllm)
        row, _ = other.submit(entity, folder)
        other.approve(row.id)
        alone[entity] = routes(other.place.path, desk.mllm, whole_benchmark)

    first, _ = desk.submit(ENTITY, sent)
    second, _ = desk.submit(kept, pictures)
    desk.approve(first.id)
    desk.approve(second.id)
    both = routes(desk.place.path, desk.mllm, whole_benchmark)
    assert both[ENTITY.key].refused and both[kept.key].refused
    # What was asked for need not stay beside the other any more.
    from mlubench.requests.kept import kept_beside

    assert kept in {s.entity for s in kept_beside(desk.place, first.id, ())}
    assert kept not in {s.entity for s in kept_beside(desk.place, first.id)}
    twin = Desk.open(copytree(desk.place.path, tmp_path / "twin"), desk.mllm)
    desk.revert(first.id)
    twin.revert(second.id)
    assert routes(desk.place.path, desk.mllm, whole_benchmark) == alone[kept]
    assert routes(twin.place.path, desk.mllm, whole_benchmark) == alone[ENTITY]


def test_a_gate_that_cannot_says_so_at_once(
    desk: Desk, kept: Entity, whole_benchmark: Benchmark
) -> None:
    gate = desk._gate_that_came
    # As a gate that an earlier version has saved.
    gate.picture.known.kept = []  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=f"it was made to keep {kept.key}, by a version that"):
        desk.submit(kept, pictures_of(whole_benchmark, kept))
    assert desk.queue.all() == []
    assert not list(desk.place.root.glob("req-*"))


def test_what_a_request_has_in_charge_is_not_approved_twice(
    desk: Desk, kept: Entity, whole_benchmark: Benchmark
) -> None:
    pictures = pictures_of(whole_benchmark, kept)
    first, _ = desk.submit(kept, pictures)
    second, _ = desk.submit(kept, pictures, key="again")
    desk.approve(first.id)
    with pytest.raises(UsageError, match=f"suppressed already, by request {first.id}"):
        desk.approve(second.id)
    assert desk.queue.get(second.id).state == "received"
    with pytest.raises(UsageError, match=f"suppressed already, by request {first.id}"):
        desk.submit(kept, pictures, key="once more")
