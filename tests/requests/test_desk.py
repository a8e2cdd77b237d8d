"""What people do with requests: the same one twice is one, and taking one out leaves no trace in any answer."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree

import pytest

from mlubench.core.errors import UsageError
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL, LUMoE
from mlubench.lumoe.gates.base import GateQuery
from mlubench.models.mllm import MLLM
from mlubench.models.query import Query
from mlubench.requests.desk import Desk
from mlubench.types import Benchmark, Entity, Route
from support.requests import ENTITY, OTHER


def routes_and_answers(place: Path, mllm: MLLM, benchmark: Benchmark) -> list[tuple[Route, str]]:
    """Everything that is said of one picture of each entity, with all digits of the routes."""
    engine = LUMoE.open(place, mllm)
    samples = {sample.entity: sample for sample in benchmark.samples if sample.tests}
    queries = [GateQuery(benchmark.picture(s), s.question) for s in samples.values()]
    routes = engine.routes(queries)
    asked = [Query(query.image, query.question) for query in queries]
    answers = engine.generate(asked, routes, max_new_tokens=24)
    return list(zip(routes, answers, strict=True))


def test_the_same_request_twice_is_one(desk: Desk, sent: Path, tmp_path: Path) -> None:
    first, is_new = desk.submit(ENTITY, sent)
    again, is_new_again = desk.submit(ENTITY, copytree(sent, tmp_path / "elsewhere"))
    assert (is_new, is_new_again) == (True, False)
    assert first.id == again.id
    assert len(desk.queue.all()) == 1


def test_what_an_expert_has_in_charge_is_not_taken_in_again(
    desk: Desk, sent: Path, benchmark: Benchmark
) -> None:
    known = benchmark.task("A").forget_entities[0]
    with pytest.raises(UsageError, match=f"{known.key} is suppressed already, by expert A"):
        desk.submit(known, sent)


def test_a_name_in_another_case_is_the_same_entity(
    desk: Desk, sent: Path, benchmark: Benchmark
) -> None:
    known = benchmark.task("A").forget_entities[0]
    with pytest.raises(UsageError, match="is suppressed already, by expert A"):
        desk.submit(Entity(known.cls.lower(), known.name.upper()), sent)
    first, _ = desk.submit(ENTITY, sent)
    again, _ = desk.submit(Entity(ENTITY.cls, ENTITY.name.lower()), sent)
    desk.approve(first.id)
    with pytest.raises(UsageError, match=f"is suppressed already, by request {first.id}"):
        desk.approve(again.id)


def test_of_two_that_are_approved_at_once_about_one_entity_one_stays_as_it_came(
    desk: Desk, sent: Path, mllm: MLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = desk.submit(ENTITY, sent, key="first")
    second, _ = desk.submit(ENTITY, sent, key="second")
    looked = Desk._require_new

    def slowly(self: Desk, entity: Entity) -> None:
        looked(self, entity)
        time.sleep(0.3)

    monkeypatch.setattr(Desk, "_require_new", slowly)
    other = Desk.open(desk.place.path, mllm)
    with ThreadPoolExecutor(2) as people:
        approvals = [
            people.submit(desk.approve, first.id),
            people.submit(other.approve, second.id),
        ]
    errors = [str(one.exception()) for one in approvals if one.exception() is not None]
    assert len(errors) == 1
    assert "is suppressed already, by request" in errors[0]
    assert sorted(row.state for row in desk.queue.all()) == ["received", "verified"]


def test_what_must_stay_is_asked_for_as_it_is_spelt_there(
    desk: Desk, sent: Path, benchmark: Benchmark
) -> None:
    kept = benchmark.task("A").retain[0].entity
    with pytest.raises(UsageError, match=f"is spelt {kept.key} in what must stay"):
        desk.submit(Entity(kept.cls, kept.name.lower()), sent)


def test_a_request_that_is_reverted_leaves_every_answer_as_before_bit_for_bit(
    active: Desk, tmp_path: Path, load_base: Callable[[], MLLM], whole_benchmark: Benchmark
) -> None:
    place = copytree(active.place.path, tmp_path / "run")
    (row,) = active.queue.all()
    desk = Desk.open(place, load_base())
    during = routes_and_answers(place, load_base(), whole_benchmark)
    desk.revert(row.id)
    after = routes_and_answers(place, load_base(), whole_benchmark)
    never = tmp_path / "never"
    copytree(place, never)
    (never / "models" / "lumoe" / "store.json").unlink()
    before = routes_and_answers(never, load_base(), whole_benchmark)
    assert after == before
    assert after != during
    assert desk.queue.get(row.id).state == "reverted"
    assert not (place / "models" / "lumoe" / row.id).exists()


def test_one_of_two_is_taken_out_as_if_it_had_never_come(
    desk: Desk,
    sent: Path,
    whole_benchmark: Benchmark,
    load_base: Callable[[], MLLM],
    tmp_path: Path,
) -> None:
    other_pictures = whole_benchmark.image_root / "downloaded_images" / OTHER.key
    alone = Desk.open(copytree(desk.place.path, tmp_path / "alone"), load_base())
    kept, _ = alone.submit(OTHER, other_pictures)
    alone.approve(kept.id)

    first, _ = desk.submit(ENTITY, sent)
    second, _ = desk.submit(OTHER, other_pictures)
    desk.approve(first.id)
    desk.approve(second.id)
    desk.revert(first.id, why="withdrawn")
    expected = routes_and_answers(alone.place.path, load_base(), whole_benchmark)
    found = routes_and_answers(desk.place.path, load_base(), whole_benchmark)
    assert found == expected
    assert GATE_REFUSAL in [text for _, text in found]


def test_a_crash_between_two_halves_of_a_revert_is_made_good(
    active: Desk, tmp_path: Path, load_base: Callable[[], MLLM]
) -> None:
    from mlubench.requests.worker import work_off

    place = copytree(active.place.path, tmp_path / "run")
    desk = Desk.open(place, load_base())
    (row,) = desk.queue.all()
    desk.queue.move(row, "reverted", None)
    assert row.id in desk.place.now().requests
    work_off(desk, lambda row: None)
    assert row.id not in desk.place.now().requests
    assert desk.queue.get(row.id).ended is not None


def test_a_request_is_rejected_only_before_it_is_in_effect(desk: Desk, sent: Path) -> None:
    row, _ = desk.submit(ENTITY, sent)
    assert desk.reject(row.id, "no such film").why == "no such film"
    with pytest.raises(UsageError, match="is rejected, and verified does not follow"):
        desk.approve(row.id)


def test_an_entity_of_a_class_that_nobody_knows(desk: Desk, sent: Path) -> None:
    row, _ = desk.submit(Entity("Other", "Something"), sent)
    assert row.entity == "Other/Something"
