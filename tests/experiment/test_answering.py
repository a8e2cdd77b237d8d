"""Answering a cell: in which batches, and that a kill changes no byte."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlubench.core.lines import read_lines
from mlubench.experiment.answering import answer_cell, known_answers
from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base
from mlubench.experiment.samples import samples_to_test
from mlubench.experiment.turns import KnownAnswers, batches_of
from mlubench.lumoe.engine.looking_again import Reply
from mlubench.runs.rows import read_answers
from mlubench.types import Benchmark, Route, Sample, SecondLook

PROBABILITY = "truth_probability"
BATCH = 8


class Counting(Base):
    """The base, and which samples it was asked."""

    frozen = False

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.asked: list[str] = []

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        self.asked += [s.id for s in samples]
        return super().answer(samples, routes)


class Dying(Counting):
    """Dies in its third batch."""

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        if len(self.asked) >= 2 * BATCH:
            raise KeyboardInterrupt
        return super().answer(samples, routes)


@pytest.fixture(scope="module")
def samples(benchmark: Benchmark) -> list[Sample]:
    return samples_to_test(benchmark.task("A"), 16)


@pytest.fixture(scope="module")
def plain(
    context: Callable, samples: list[Sample], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A cell answered without interruption, as by default."""
    path = tmp_path_factory.mktemp("plain") / "A-U0.jsonl"
    answer_cell(path, samples, Counting(context(path.parent)), batch=BATCH, known={})
    return path


@pytest.fixture(scope="module")
def whole(
    context: Callable, samples: list[Sample], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same with the probabilities of the truths."""
    path = tmp_path_factory.mktemp("whole") / "A-U0.jsonl"
    answer_cell(
        path, samples, Counting(context(path.parent)), batch=BATCH, known={}, probability=True
    )
    return path


def test_a_cell_has_one_line_a_sample_in_the_order_of_the_samples(
    whole: Path, samples: list[Sample]
) -> None:
    rows = known_answers(whole)
    assert [name for name, _ in rows] == [s.id for s in samples]
    assert all(said.response for said in rows.values())
    assert [f.name for f in whole.parent.iterdir()] == [whole.name]  # the .part is gone


def test_probabilities_are_one_more_column_and_change_nothing_else(
    plain: Path, whole: Path
) -> None:
    rows, more = read_lines(plain), read_lines(whole)
    assert not any(PROBABILITY in row for row in rows)
    assert all(0 < row[PROBABILITY] <= 1 for row in more)
    assert len({row[PROBABILITY] for row in more}) > len(more) / 2
    assert [{k: v for k, v in row.items() if k != PROBABILITY} for row in more] == rows


@pytest.mark.parametrize("cut", [0, 40, -1])
def test_a_part_cut_in_a_line_resumes_to_the_same_bytes(
    cut: int, whole: Path, context: Callable, samples: list[Sample], tmp_path: Path
) -> None:
    """As a kill leaves it: the first batch, some of the second, and a line of it cut at `cut` bytes."""
    path = tmp_path / whole.name
    first = Dying(context(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        answer_cell(path, samples, first, batch=BATCH, known={}, probability=True)
    part = path.with_name(path.name + ".part")
    lines = part.read_bytes().splitlines(keepends=True)
    assert len(lines) == 2 * BATCH
    part.write_bytes(b"".join(lines[: BATCH + 3]) + lines[BATCH + 3][:cut])
    again = Counting(context(tmp_path))
    answer_cell(path, samples, again, batch=BATCH, known={}, probability=True)
    assert path.read_bytes() == whole.read_bytes()
    assert again.asked == [
        *first.asked[BATCH:],
        *again.asked[BATCH:],
    ]  # the batch that was cut is asked whole again
    assert len(again.asked) == len(samples) - BATCH
    assert not part.exists()


def test_what_is_known_is_not_asked_again(
    whole: Path, context: Callable, samples: list[Sample], tmp_path: Path
) -> None:
    known: KnownAnswers = dict(list(known_answers(whole).items())[:20])
    learner = Counting(context(tmp_path))
    answer_cell(tmp_path / "x.jsonl", samples, learner, batch=BATCH, known=known, probability=True)
    assert set(learner.asked) == {s.id for s in samples} - {name for name, _ in known}
    assert (tmp_path / "x.jsonl").read_bytes() == whole.read_bytes()


class Refusing(Counting):
    """Its gate failed for every other sample; the rest goes to the base."""

    frozen = True

    def routes(self, samples: Sequence[Sample]) -> list[Route | None]:
        return [
            Route((), None, 0.0, "", failed=n % 2 == 0, refused=n % 2 == 0)
            for n in range(len(samples))
        ]

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        texts = super().answer(samples, routes)
        return ["Refused." if r and r.refused else t for t, r in zip(texts, routes, strict=True)]

    def truth_probabilities(
        self, samples: Sequence[Sample], routes: Sequence[Route | None]
    ) -> list[float | None]:
        found = super().truth_probabilities(samples, routes)
        return [None if r and r.refused else p for p, r in zip(found, routes, strict=True)]


def test_a_failed_gates_refusal_is_never_taken_for_an_answer(
    whole: Path, context: Callable, samples: list[Sample], tmp_path: Path
) -> None:
    """Nor is the base's known answer given where the gate failed, though neither has an expert."""
    known, path = known_answers(whole), tmp_path / "x.jsonl"
    before = dict(known)
    learner = Refusing(context(tmp_path))
    answer_cell(path, samples, learner, batch=BATCH, known=known, probability=True)
    assert sorted(learner.asked) == sorted(s.id for s in samples[::2])
    assert known == before
    assert known_answers(path) == {(s.id, ()): before[s.id, ()] for s in samples[1::2]}
    rows = {row["id"]: row for row in read_lines(path)}
    assert all(
        rows[s.id]["response"] == "Refused." and rows[s.id]["route"]["refused"]
        for s in samples[::2]
    )
    assert [rows[s.id][PROBABILITY] is None for s in samples] == [
        n % 2 == 0 for n in range(len(samples))
    ]


class HoldingBack(Counting):
    """The second look holds back every other draft: expert A declines instead, and tells the same for the first."""

    frozen = True

    def routes(self, samples: Sequence[Sample]) -> list[Route | None]:
        return [Route((), None, 0.0, "", suspects=(s.entity.key,)) for s in samples]

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        texts = super().answer(samples, routes)
        found = []
        for sample, route, text in zip(samples, routes, texts, strict=True):
            found.append(f"{sample.id} declined." if route and route.experts else text)
        return found

    def second_looks(
        self, samples: Sequence[Sample], routes: Sequence[Route | None], drafts: Sequence[str]
    ) -> list[SecondLook | None]:
        found: list[SecondLook | None] = []
        for number, (sample, draft) in enumerate(zip(samples, drafts, strict=True)):
            look = SecondLook("fact", sample.entity.key, ("A",), "planted", draft)
            found.append(look if number % 2 == 0 else None)
        return found

    def settled(
        self,
        samples: Sequence[Sample],
        routes: Sequence[Route | None],
        looks: Sequence[SecondLook],
        texts: Sequence[str],
    ) -> list[Reply]:
        assert all(route and not route.experts for route in routes)
        return [Reply(text, look) for text, look in zip(texts, looks, strict=True)]


class DyingLate(HoldingBack):
    """Dies over the second batch of what was held back."""

    def answer(self, samples: Sequence[Sample], routes: Sequence[Route | None]) -> list[str]:
        if len(self.asked) >= len(set(self.asked)) + BATCH:
            raise KeyboardInterrupt
        return super().answer(samples, routes)


def test_what_was_held_back_is_written_with_its_draft(
    plain: Path, context: Callable, samples: list[Sample], tmp_path: Path
) -> None:
    known: KnownAnswers = {}
    path = tmp_path / "x.jsonl"
    learner = HoldingBack(context(tmp_path))
    answer_cell(path, samples, learner, batch=BATCH, known=known)
    held_back = {s.id for s in samples[::2]}
    said = {row.id: row.response for row in read_answers(plain)}
    for row in read_answers(path):
        assert row.route is not None and row.route.experts == ()
        if row.id in held_back:
            assert row.second_look is not None
            assert (row.response, row.second_look.draft) == (f"{row.id} declined.", said[row.id])
        else:
            assert (row.response, row.second_look) == (said[row.id], None)
    # Drafts and what was answered instead are both known, and asked for once.
    assert learner.asked.count(samples[0].id) == 2
    assert known == known_answers(path)
    assert {key for key in known if key[1]} == {(name, ("A",)) for name in held_back}
    assert {name: known[name, ()].response for name in said} == said
    again = HoldingBack(context(tmp_path))
    answer_cell(tmp_path / "y.jsonl", samples, again, batch=BATCH, known=known)
    assert again.asked == []
    assert (tmp_path / "y.jsonl").read_bytes() == path.read_bytes()


def test_a_kill_over_what_was_held_back_resumes_to_the_same_bytes(
    context: Callable, samples: list[Sample], tmp_path: Path
) -> None:
    path = tmp_path / "x.jsonl"
    answer_cell(path, samples, HoldingBack(context(tmp_path)), batch=BATCH, known={})
    killed = tmp_path / "y.jsonl"
    with pytest.raises(KeyboardInterrupt):
        answer_cell(killed, samples, DyingLate(context(tmp_path)), batch=BATCH, known={})
    # All drafts, and the first batch of what leaves instead.
    assert len(read_answers(killed.with_name("y.jsonl.part"))) == len(samples) + BATCH
    again = HoldingBack(context(tmp_path))
    answer_cell(killed, samples, again, batch=BATCH, known={})
    assert killed.read_bytes() == path.read_bytes()
    assert 0 < len(again.asked) < len(samples) / 2


@pytest.mark.parametrize("mixed", [True, False])
def test_chunks_lose_nothing(benchmark: Benchmark, mixed: bool) -> None:
    routes = [("A",), (), ("A", "B"), ("B",), ()]
    rows = samples_to_test(benchmark.task("A"), 18)
    asked = [(s, Route(routes[n % 5], None, 0.0, "")) for n, s in enumerate(rows)]
    chunks = list(batches_of(asked, BATCH, mixed))
    apart = Counter(r.experts for _, r in asked).values()
    assert all(0 < len(chunk) <= BATCH for chunk in chunks)
    assert all(len({r.experts for _, r in chunk}) == 1 for chunk in chunks) != mixed
    assert Counter(s.id for chunk in chunks for s, _ in chunk) == Counter(s.id for s in rows)
    assert len(chunks) == (-(-len(rows) // BATCH) if mixed else sum(-(-n // BATCH) for n in apart))
    assert list(batches_of(asked[::-1], BATCH, mixed)) == chunks
