"""Where scores send a query: by the looks above the threshold, and suspects by each request's own."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mlubench.lumoe.gates.known import Known
from mlubench.lumoe.gates.learned import Learned
from mlubench.lumoe.gates.picture_routes import route_of, suspects_of

THRESHOLD = 0.5


@pytest.fixture
def known() -> Known:
    """Three requests of two experts."""
    empty = torch.zeros(0, 4)
    things = torch.zeros(0, 1, 4)
    nothing = Known.nothing(Learned(empty, empty, empty, things, empty, torch.zeros(0)))
    entities = ["Animals/Ox", "Animals/Yak", "Plants/Fern"]
    return replace(nothing, entities=entities, experts=["A", "A", "B"])


def scores(*values: float) -> Tensor:
    return torch.tensor(values)


def test_a_look_above_the_threshold_reaches_its_expert(known: Known) -> None:
    route = route_of(known, scores(0.75), torch.tensor([2]), THRESHOLD)
    assert route.experts == ("B",)
    assert route.entity == "Plants/Fern"
    assert route.score == pytest.approx(0.25)
    assert route.why == "likeness 0.75 > 0.50, nearest Plants/Fern"


def test_a_score_at_the_threshold_is_left_to_the_base(known: Known) -> None:
    route = route_of(known, scores(0.5), torch.tensor([2]), THRESHOLD)
    assert route.experts == ()
    assert route.entity is None
    assert route.score == 0
    assert route.why == "likeness 0.50 <= 0.50, nearest Plants/Fern"


def test_every_look_above_the_threshold_adds_its_expert(known: Known) -> None:
    route = route_of(known, scores(0.6, 0.9, 0.1), torch.tensor([2, 0, 1]), THRESHOLD)
    assert route.experts == ("A", "B")
    assert route.entity == "Animals/Ox"
    assert route.why.endswith("nearest Animals/Ox, in parts Plants/Fern")
    assert route.suspects == ("Plants/Fern",)


def test_suspects_are_above_a_threshold_of_their_own_the_likest_first(known: Known) -> None:
    assert suspects_of(known, scores(0.2, 0.4, 0.3), 0.25) == ("Animals/Yak", "Plants/Fern")
    assert suspects_of(known, scores(0.2, 0.4, 0.3), 0.9) == ()


def test_without_such_a_threshold_nobody_is_suspect(known: Known) -> None:
    assert suspects_of(known, scores(0.2, 0.4, 0.3), None) == ()
