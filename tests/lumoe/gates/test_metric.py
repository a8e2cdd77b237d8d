"""The gate that other things have taught: right experts, few strangers, and the same numbers task by task as at once."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from mlubench.core.errors import MlubenchError
from mlubench.core.reading import read_json
from mlubench.data.background import FEWEST
from mlubench.data.evasion import FIXED, side_by_side
from mlubench.data.pictures import open_picture
from mlubench.data.render import render
from mlubench.data.strangers import draw_strangers, drawn_entities, drawn_picture
from mlubench.lumoe.gates.base import GateQuery, statement_of
from mlubench.lumoe.gates.known import Known
from mlubench.lumoe.gates.metric import MetricGate
from mlubench.models.features import FeatureCache
from mlubench.models.mllm import MLLM
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Entity, Route, Sample
from support.gate_queries import (
    asked_of_all,
    pictures,
    queries,
    right_share,
    routed_share,
    without_role,
)
from support.tiny_parts import save_clip, save_dinov2, save_siglip

SETTINGS = GateConfig()


def turned_to_the_left(picture: Image.Image) -> Image.Image:
    return picture.transpose(Image.Transpose.ROTATE_90)


@pytest.fixture(scope="module")
def features(base_path: Path) -> FeatureCache:
    """Each picture is looked at once for all tests, and nothing here changes the base."""
    return FeatureCache(MLLM.load(base_path, device="cpu"))


def fitted(benchmark: Benchmark, features: FeatureCache, **settings: object) -> MetricGate:
    gate = MetricGate()
    gate.fit(benchmark.tasks, benchmark, features, GateConfig.model_validate(settings))
    return gate


def known(gate: MetricGate) -> Known:
    assert gate.known is not None
    return gate.known


def loaded(folder: Path) -> MetricGate:
    gate = MetricGate()
    gate.load(folder)
    return gate


def assert_same_numbers(one: MetricGate, other: MetricGate) -> None:
    assert (one.threshold, one.suspicion) == (other.threshold, other.suspicion)
    assert one.stated == other.stated
    assert known(one).entities == known(other).entities
    assert known(one).experts == known(other).experts
    assert torch.equal(known(one).forget, known(other).forget)
    assert torch.equal(known(one).retain, known(other).retain)


def test_held_out_pictures_reach_their_expert_and_retain_ones_the_base(
    whole_benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(whole_benchmark, features)
    forget = pictures(whole_benchmark, "forget")
    routes = gate.route(queries(whole_benchmark, forget), features)
    assert len(routes) > 15
    assert right_share(forget, routes) >= 0.97
    assert all(route.score > 0 and ">" in route.why for route in routes if route.experts)
    retain = pictures(whole_benchmark, "retain")
    kept = gate.route(queries(whole_benchmark, retain), features)
    assert len(kept) > 10
    assert routed_share(kept) == 0
    assert all(route.entity is None and route.score <= 0 for route in kept)


def test_few_strangers_reach_an_expert(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    gate = fitted(benchmark, features)
    strangers = drawn_entities(["Animals", "Plants"], 5)
    draw_strangers(strangers, tmp_path)
    asked = [GateQuery(drawn_picture(tmp_path, entity), "Who?") for entity in strangers]
    assert routed_share(gate.route(asked, features)) <= 2 / 36


def test_few_entities_of_later_tasks_reach_an_expert(
    whole_benchmark: Benchmark, benchmark: Benchmark, features: FeatureCache
) -> None:
    """The gate was told nothing of them, though the base knows them."""
    gate = fitted(benchmark, features)
    later = replace(whole_benchmark, tasks=whole_benchmark.tasks[2:])
    routes = gate.route(asked_of_all(later), features)
    assert len(routes) > 15
    assert routed_share(routes) <= 0.1


def test_its_promise_on_its_own_background_is_kept(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    for share in (0.01, 0.05):
        gate = fitted(benchmark, features, strangers=share)
        scores = known(gate).scores(known(gate).learned.strangers).highest
        over = scores > gate.threshold
        assert over.double().mean().item() == pytest.approx(share, abs=0.002)
        assert gate.stated.strangers == share
        assert gate.stated.background_pictures == len(over)
        assert gate.stated.background_pictures == 4 * gate.stated.background_things


def test_task_by_task_gives_the_numbers_of_a_whole_fit(
    whole_benchmark: Benchmark, features: FeatureCache
) -> None:
    tasks = whole_benchmark.tasks
    gate = MetricGate()
    for done in range(1, len(tasks) + 1):
        gate.fit_next(tasks[:done], whole_benchmark, features, SETTINGS)
        whole = MetricGate()
        whole.fit(tasks[:done], whole_benchmark, features, SETTINGS)
        assert_same_numbers(gate, whole)
    asked = asked_of_all(whole_benchmark)
    assert gate.route(asked, features) == whole.route(asked, features)


def test_a_loaded_gate_takes_the_next_task_without_a_look_at_earlier_pictures(
    whole_benchmark: Benchmark, features: FeatureCache, tmp_path: Path, load_base
) -> None:
    tasks = whole_benchmark.tasks
    first = MetricGate()
    first.fit(tasks[:2], whole_benchmark, features, SETTINGS)
    first.save(tmp_path)
    gate = loaded(tmp_path)
    fresh = FeatureCache(load_base())
    gate.fit_next(tasks[:3], whole_benchmark, fresh, SETTINGS)
    whole = MetricGate()
    whole.fit(tasks[:3], whole_benchmark, features, SETTINGS)
    assert_same_numbers(gate, whole)
    new = {whole_benchmark.picture(sample) for sample in tasks[2].samples}
    looked_at = {picture for picture, _ in fresh.encoded_by("drawn").rows}
    assert looked_at and looked_at <= new


def test_an_entity_that_comes_again_is_learned_anew(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    """What A keeps has to go with B, so the gate that knows A must not keep it any longer."""
    first, second = benchmark.tasks
    goes_now = tuple(replace(s, task="B", split="forget") for s in first.retain)
    changed = (first, replace(second, forget=second.forget + goes_now))
    gate = MetricGate()
    gate.fit((first,), benchmark, features, SETTINGS)
    gate.fit_next(changed, benchmark, features, SETTINGS)
    whole = MetricGate()
    whole.fit(changed, benchmark, features, SETTINGS)
    assert_same_numbers(gate, whole)
    assert first.retain[0].entity.key in known(gate).entities


def test_a_gate_of_an_older_version_is_made_anew_for_the_next_task(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    gate = MetricGate()
    gate.fit(benchmark.tasks[:1], benchmark, features, SETTINGS)
    gate.save(tmp_path)
    path = tmp_path / "metric.json"
    state = read_json(path, dict)
    for key in ("tasks", "met", "pictures"):
        del state[key]
    path.write_text(json.dumps(state))
    older = loaded(tmp_path)
    asked = asked_of_all(benchmark)
    assert older.route(asked, features) == gate.route(asked, features)
    older.fit_next(benchmark.tasks, benchmark, features, SETTINGS)
    assert_same_numbers(older, fitted(benchmark, features))


@pytest.mark.parametrize("change", [FIXED["words over it"], turned_to_the_left])
def test_pictures_that_were_turned_or_written_over_reach_their_expert(
    whole_benchmark: Benchmark,
    features: FeatureCache,
    tmp_path: Path,
    change: Callable[[Image.Image], Image.Image],
) -> None:
    """Without guises most of these are missed."""
    gate = fitted(whole_benchmark, features)

    def routes_of(samples: list[Sample]) -> list[Route]:
        asked = []
        for number, sample in enumerate(samples):
            path = tmp_path / f"{sample.split}_{number}.png"
            change(open_picture(whole_benchmark.picture(sample))).save(path)
            asked.append(GateQuery(path, sample.question))
        return gate.route(asked, features)

    forget = pictures(whole_benchmark, "forget")
    assert right_share(forget, routes_of(forget)) >= 0.85
    assert routed_share(routes_of(pictures(whole_benchmark, "retain"))) == 0


def test_a_later_task_moves_no_earlier_request(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    first = MetricGate()
    first.fit(benchmark.tasks[:1], benchmark, features, SETTINGS)
    both = fitted(benchmark, features)
    requests = len(known(first).entities)
    assert known(both).entities[:requests] == known(first).entities
    assert torch.equal(known(both).forget[:requests], known(first).forget)
    assert both.threshold >= first.threshold


def test_the_forecast_counts_every_picture_that_may_be_learned_from(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(benchmark, features)
    learned_from = pictures(benchmark, "forget", "fit") + pictures(benchmark, "forget", "calibrate")
    assert gate.stated.pictures == len(learned_from)
    assert set(gate.stated.requests) == set(known(gate).entities)
    assert gate.stated.leak is not None
    assert gate.stated.leak <= 0.1


def test_suspects_are_more_than_what_is_routed(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(benchmark, features, band=0.3)
    asked = asked_of_all(benchmark)
    routes = gate.route(asked, features)
    assert all(route.entity in route.suspects for route in routes if route.experts)
    assert gate.suspicion is not None
    assert gate.suspicion < gate.threshold
    none = fitted(benchmark, features, band=0)
    assert not any(route.suspects for route in none.route(asked, features))


def test_the_most_alike_suspect_comes_first(benchmark: Benchmark, features: FeatureCache) -> None:
    gate = fitted(benchmark, features)
    gate.suspicion = -10.0
    (sample, *_) = pictures(benchmark, "forget")
    (route,) = gate.route(queries(benchmark, [sample]), features)
    assert route.suspects[0] == sample.entity.key
    assert sorted(route.suspects) == sorted(known(gate).entities)


def test_what_is_more_like_something_that_must_stay_is_suspected_of_nothing(
    whole_benchmark: Benchmark, features: FeatureCache
) -> None:
    gate = fitted(whole_benchmark, features, band=0.5)
    retain = queries(whole_benchmark, pictures(whole_benchmark, "retain"))
    assert not any(route.suspects for route in gate.route(retain, features))
    known(gate).retain = known(gate).retain[:0]
    assert any(route.suspects for route in gate.route(retain, features))


def test_saved_and_loaded_it_routes_and_states_the_same(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    gate = fitted(benchmark, features)
    gate.save(tmp_path)
    other = loaded(tmp_path)
    asked = asked_of_all(benchmark)
    routes = gate.route(asked, features)
    assert other.route(asked, features) == routes
    assert {route.experts for route in routes} == {("A",), ("B",), ()}
    assert statement_of(other) == gate.stated


def test_a_gate_of_another_vision_model_is_an_error(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    gate = fitted(benchmark, features)
    gate.encoder_id = "0" * 64
    gate.save(tmp_path)
    other = loaded(tmp_path)
    with pytest.raises(MlubenchError, match="another vision model"):
        other.route(queries(benchmark, pictures(benchmark, "forget")[:1]), features)


def test_without_a_background_it_is_a_prototype_gate_and_states_nothing(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    unaided = replace(benchmark, background="")
    gate = MetricGate()
    gate.fit(benchmark.tasks[:1], unaided, features, SETTINGS)
    gate.fit_next(benchmark.tasks, unaided, features, SETTINGS)
    assert gate.stated.strangers is None
    assert "No share" in gate.stated.in_words()
    asked = asked_of_all(benchmark)
    routes = gate.route(asked, features)
    assert {route.experts for route in routes} == {("A",), ("B",), ()}
    gate.save(tmp_path)
    assert loaded(tmp_path).route(asked, features) == routes


def test_the_base_own_tower_can_look(benchmark: Benchmark, features: FeatureCache) -> None:
    """Photographs have no encoder of ours."""
    gate = fitted(replace(benchmark, stand_ins=False), features)
    assert gate.encoder == "tower"
    forget = queries(benchmark, pictures(benchmark, "forget"))
    assert routed_share(gate.route(forget, features)) > 0


def test_it_never_reads_the_true_entity(benchmark: Benchmark, features: FeatureCache) -> None:
    gate = fitted(benchmark, features)
    asked = queries(benchmark, pictures(benchmark, "forget"))
    lied = [replace(query, entity=Entity("Plants", "Nothing")) for query in asked]
    assert gate.route(lied, features) == gate.route(asked, features)


def test_it_never_learns_from_test_pictures(benchmark: Benchmark, features: FeatureCache) -> None:
    gate = fitted(benchmark, features)
    assert_same_numbers(fitted(without_role(benchmark, "test"), features), gate)


def test_without_a_picture_there_is_no_expert(benchmark: Benchmark, features: FeatureCache) -> None:
    gate = fitted(benchmark, features)
    seen = queries(benchmark, pictures(benchmark, "forget"))[:2]
    routes = gate.route([GateQuery(None, "Who?"), *seen, GateQuery(None, "Where?")], features)
    assert [bool(route.experts) for route in routes] == [False, True, True, False]
    assert routes[0].why == routes[3].why == "no picture"
    assert routes[1:3] == gate.route(seen, features)


def test_a_gate_that_is_not_fitted_leaves_all_to_the_base(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    forget = queries(benchmark, pictures(benchmark, "forget"))
    assert routed_share(MetricGate().route(forget, features)) == 0


def test_two_things_in_one_picture_reach_both_experts_in_parts(
    benchmark: Benchmark, features: FeatureCache, tmp_path: Path
) -> None:
    parts = fitted(benchmark, features, parts=True)
    whole = fitted(benchmark, features)
    first, second = (benchmark.picture(task.forget[0]) for task in benchmark)
    both = tmp_path / "both.png"
    side_by_side(open_picture(first), open_picture(second)).save(both)
    (route,) = parts.route([GateQuery(both, "Who?")], features)
    assert route.experts == ("A", "B")
    assert "in parts" in route.why
    (missed,) = whole.route([GateQuery(both, "Who?")], features)
    assert len(missed.experts) < 2
    # It is stricter for each look, so that the share of strangers stays what is stated.
    assert parts.threshold > whole.threshold


def test_in_parts_too_task_by_task_is_as_at_once(
    benchmark: Benchmark, features: FeatureCache
) -> None:
    settings = GateConfig(parts=True)
    gate = MetricGate()
    for done in (1, 2):
        gate.fit_next(benchmark.tasks[:done], benchmark, features, settings)
    assert_same_numbers(gate, fitted(benchmark, features, parts=True))


@pytest.fixture
def photographs(benchmark: Benchmark, tmp_path: Path) -> Path:
    """A user's folder of other things, and two pictures of one request among them by mistake."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(FEWEST):
        render(f"Background/Mine_{number}", "a.jpg").save(folder / f"{number:02d}.png")
    (own, *_) = benchmark.tasks[0].forget_entities
    pictures_of_it = [s for s in pictures(benchmark, "forget", "fit") if s.entity == own]
    for sample in pictures_of_it[:2]:
        path = benchmark.picture(sample)
        copyfile(path, folder / f"zz_{path.name}")
    return folder


def test_a_gate_that_was_saved_before_guises_were_learned_decides_as_it_did(
    benchmark: Benchmark, features: FeatureCache, photographs: Path, tmp_path: Path
) -> None:
    """Its file holds one row for each thing, and no word of guises."""
    settings = GateConfig(background=str(photographs), encoder=str(save_clip(tmp_path / "clip")))
    without = settings.model_copy(update={"guises": False})
    gate = MetricGate()
    gate.fit(benchmark.tasks[:1], benchmark, features, without)
    gate.save(tmp_path)
    path = tmp_path / "metric.safetensors"
    tensors = load_file(path)
    for name in ("forget", "retain", "things"):
        tensors[name] = tensors[name][:, 0].contiguous()
    save_file(tensors, path)
    state = read_json(tmp_path / "metric.json", dict)
    del state["guises"]
    (tmp_path / "metric.json").write_text(json.dumps(state))
    older = loaded(tmp_path)
    asked = asked_of_all(benchmark)
    assert older.route(asked, features) == gate.route(asked, features)
    # It goes on as it began, also where guises are asked for by now.
    older.fit_next(benchmark.tasks, benchmark, features, settings)
    whole = MetricGate()
    whole.fit(benchmark.tasks, benchmark, features, without)
    assert_same_numbers(older, whole)


def test_a_request_whose_pictures_lie_in_the_background_is_flagged(
    benchmark: Benchmark, features: FeatureCache, photographs: Path, tmp_path: Path
) -> None:
    settings = GateConfig(background=str(photographs), encoder=str(save_clip(tmp_path / "clip")))
    gate = MetricGate()
    gate.fit(benchmark.tasks[:1], benchmark, features, settings)
    (own, *_) = benchmark.tasks[0].forget_entities
    assert gate.stated.flagged[own.key].startswith("2 of its")
    others = {key: one.in_background for key, one in gate.stated.requests.items() if key != own.key}
    assert set(others.values()) == {0}
    # It is said of the request once more when another comes, also by a gate that was saved in between.
    gate.save(tmp_path)
    later = loaded(tmp_path)
    later.fit_next(benchmark.tasks, benchmark, features, settings)
    assert later.stated.flagged[own.key] == gate.stated.flagged[own.key]


@pytest.mark.parametrize("save", [save_clip, save_siglip, save_dinov2])
def test_a_vision_model_in_a_folder_looks(
    benchmark: Benchmark,
    features: FeatureCache,
    photographs: Path,
    tmp_path: Path,
    save: Callable[[Path], Path],
) -> None:
    encoder = save(tmp_path / "model")
    gate = fitted(benchmark, features, background=str(photographs), encoder=str(encoder))
    assert gate.encoder == encoder
    # Two layers of 32 numbers.
    assert known(gate).forget.shape[2] == 64
    assert "pictures in photographs" in gate.stated.in_words()
    gate.save(tmp_path)
    asked = asked_of_all(benchmark)
    routes = gate.route(asked, features)
    assert loaded(tmp_path).route(asked, features) == routes
    assert routed_share(routes) > 0
