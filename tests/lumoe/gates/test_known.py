"""What a gate knows: requests that come one after another leave the numbers that all at once leave."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from mlubench.lumoe.gates.known import Known, Seen, SeenEntity
from mlubench.lumoe.gates.learned import Learned
from mlubench.lumoe.gates.standing import VETO

WIDTH = 12
GUISES = 2
EXPERT_OF = {"Animals/a": "A", "Animals/b": "A", "Animals/c": "B"}


def drawn(*shape: int, seed: int) -> Tensor:
    """Rows at length 1."""
    rng = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, WIDTH, generator=rng), dim=-1)


def a_metric() -> Learned:
    """One that changes nothing, with nine other things and fifty pictures of strangers in two looks."""
    none = torch.zeros(0)
    strangers = drawn(50, 2, seed=1)
    metric = Learned(
        mean=torch.zeros(WIDTH),
        directions=torch.eye(WIDTH),
        gains=torch.zeros(WIDTH),
        things=drawn(9, 1, seed=0),
        strangers=strangers,
        usual_of_strangers=none,
    )
    return replace(metric, usual_of_strangers=metric.usual(strangers))


def things(names: str, seed: int) -> Seen:
    """Four pictures of each with two views each, three of them in guises too."""
    found = {}
    for number, name in enumerate(names):
        found[f"Animals/{name}"] = SeenEntity(
            views=drawn(4, 3, seed=seed + number), guises=drawn(3, GUISES, seed=seed + number + 100)
        )
    return found


FORGET = things("abc", seed=10)
RETAIN = things("xy", seed=20)


def all_at_once() -> Known:
    known = Known.nothing(a_metric(), GUISES)
    known.take(FORGET, RETAIN, EXPERT_OF)
    return known


def one_by_one() -> Known:
    known = Known.nothing(a_metric(), GUISES)
    for key, seen in FORGET.items():
        known.take({key: seen}, {}, EXPERT_OF)
    for key, seen in RETAIN.items():
        known.take({}, {key: seen}, EXPERT_OF)
    return known


def test_one_by_one_they_leave_what_all_at_once_leave() -> None:
    whole = all_at_once()
    grown = one_by_one()
    assert grown.entities == whole.entities == list(FORGET)
    assert grown.experts == whole.experts == ["A", "A", "B"]
    assert torch.equal(grown.forget, whole.forget)
    assert torch.equal(grown.retain, whole.retain)
    assert torch.allclose(grown.stranger_scores(), whole.stranger_scores(), atol=1e-6)
    for threshold in (-2.5, 0.0, 0.4):
        assert grown.forecasts(threshold) == whole.forecasts(threshold)


def test_strangers_score_as_pictures_that_are_asked_about() -> None:
    known = one_by_one()
    asked = known.scores(known.learned.strangers).highest
    assert torch.allclose(known.stranger_scores(), asked, atol=1e-6)


def test_scores_by_hand() -> None:
    known = all_at_once()
    asked = drawn(6, 2, seed=5)
    scores = known.scores(asked)
    for number in range(6):
        for look in range(2):
            row = asked[number, look]
            usual = (known.learned.things[:, 0] @ row).sort().values[-5:].mean()
            to_kept = max((seen.means() @ row).max() for seen in RETAIN.values())
            expected = []
            for seen in FORGET.values():
                likeness = (seen.means() @ row).max()
                vetoed = to_kept > likeness
                expected.append(likeness - to_kept - VETO if vetoed else likeness - usual)
            best = torch.stack(expected).max(0)
            assert torch.allclose(scores.values[number, look], best.values, atol=1e-6)
            assert scores.numbers[number, look] == best.indices


def test_an_entity_looks_like_the_mean_of_its_views_and_of_each_guise() -> None:
    seen = FORGET["Animals/a"]
    expected = [
        seen.views.flatten(0, 1).mean(0),
        seen.guises[:, 0].mean(0),
        seen.guises[:, 1].mean(0),
    ]
    assert torch.allclose(seen.means(), F.normalize(torch.stack(expected), dim=1), atol=1e-6)


def test_strangers_of_another_metric_are_not_taken_for_those_that_were_compared() -> None:
    known = one_by_one()
    before = known.stranger_scores()
    metric = a_metric()
    assert not known.bring(replace(metric, mean=metric.mean + 1))
    assert not known.bring(replace(metric, strangers=metric.strangers[:7]))
    assert known.bring(metric)
    assert torch.equal(known.stranger_scores(), before)


def test_what_need_not_stay_any_more_leaves_nothing_behind() -> None:
    known = all_at_once()
    known.met = {*FORGET, *RETAIN}
    without = Known.nothing(a_metric(), GUISES)
    without.take(FORGET, {"Animals/y": RETAIN["Animals/y"]}, EXPERT_OF)
    known.release("Animals/x")
    assert known.kept == without.kept == ["Animals/y"]
    assert "Animals/x" not in known.met
    assert torch.equal(known.retain, without.retain)
    assert torch.allclose(known.stranger_scores(), without.stranger_scores(), atol=1e-6)
    assert known.forecasts(0.0) == without.forecasts(0.0)
