"""What the second look holds back, and what is answered instead."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mlubench.experiment.learners.base import Learner
from mlubench.experiment.turns import (
    KnownAnswers,
    ModelAnswer,
    RoutedSample,
    answer_row,
    answered_in_turns,
    is_refusal,
    key_of,
)
from mlubench.lumoe.engine.looking_again import route_of
from mlubench.types import AnswerRow, Route, Sample, SecondLook


def answered_again(
    learner: Learner,
    routed: Sequence[RoutedSample],
    rows: Mapping[str, AnswerRow],
    known: KnownAnswers,
    size: int,
    probability: bool,
) -> Iterator[list[AnswerRow]]:
    """The rows whose drafts the second look holds back, with what leaves instead; `known` gets what is new in it."""
    held_back = _held_back(learner, routed, rows)
    known_before: list[tuple[RoutedSample, ModelAnswer]] = []
    new_pairs: list[RoutedSample] = []
    for one in held_back.values():
        if not is_refusal(one.pair[1]) and key_of(*one.pair) in known:
            known_before.append((one.pair, known[key_of(*one.pair)]))
        else:
            new_pairs.append(one.pair)
    if known_before:
        yield _settled(learner, known_before, held_back)

    def is_replaced(pair: RoutedSample) -> bool:
        return rows[pair[0].id].second_look is not None

    for answered in answered_in_turns(learner, new_pairs, size, probability, is_replaced):
        for pair, answer in answered:
            if learner.frozen and not is_refusal(pair[1]):
                known[key_of(*pair)] = answer
        yield _settled(learner, answered, held_back)


@dataclass(frozen=True, slots=True)
class _HeldBack:
    """A sample whose draft must not leave."""

    sample: Sample
    route: Route  # of the draft
    look: SecondLook

    @property
    def pair(self) -> RoutedSample:
        """The sample with the route to whoever is to answer instead."""
        return self.sample, route_of(self.look, self.route)


def _held_back(
    learner: Learner, routed: Sequence[RoutedSample], rows: Mapping[str, AnswerRow]
) -> dict[str, _HeldBack]:
    """By sample id what the second look holds back."""
    samples = [sample for sample, _ in routed]
    routes = [route for _, route in routed]
    drafts = [_draft(rows[sample.id]) for sample in samples]
    looks = learner.second_looks(samples, routes, drafts)
    found = {}
    for sample, route, look in zip(samples, routes, looks, strict=True):
        if look is not None and route is not None:
            found[sample.id] = _HeldBack(sample, route, look)
    return found


def _settled(
    learner: Learner,
    answered: Sequence[tuple[RoutedSample, ModelAnswer]],
    held_back: Mapping[str, _HeldBack],
) -> list[AnswerRow]:
    """The rows of what leaves, of what was answered instead of drafts."""
    first = [held_back[sample.id] for (sample, _), _ in answered]
    replies = learner.settled(
        [one.sample for one in first],
        [one.route for one in first],
        [one.look for one in first],
        [answer.response for _, answer in answered],
    )
    rows = []
    for one, (_, answer), reply in zip(first, answered, replies, strict=True):
        row = answer_row(one.sample, one.route, answer)
        rows.append(replace(row, response=reply.text, second_look=reply.second_look))
    return rows


def _draft(row: AnswerRow) -> str:
    """What the model said first."""
    return row.response if row.second_look is None else row.second_look.draft
