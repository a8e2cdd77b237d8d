"""A gate that fails ends nothing: its queries are refused with a fixed text or left to the base, and counted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlubench.core.errors import MlubenchError, UsageError
from mlubench.judging.rules.refusal import refusal
from mlubench.lumoe.engine.batching import AskRequest
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL, LUMoE
from mlubench.lumoe.engine.router import left_to_the_base, route_all
from mlubench.lumoe.gates.base import Gate, GateQuery
from mlubench.lumoe.gates.hybrid import HybridGate
from mlubench.lumoe.gates.metrics import gate_report, rerouted, warm
from mlubench.models.chat_template import as_history
from mlubench.models.query import Query, TurnPicture
from mlubench.settings.gates import GateConfig
from mlubench.types import Benchmark, Route, Sample

NEW = 24


class Down:
    """Fails for every question that says so."""

    name = "down"
    error: type[MlubenchError] = MlubenchError

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        if any("fail" in q.question for q in queries):
            raise self.error("the endpoint is down", "Start it.")
        return [Route((), None, 0.0, "well")] * len(queries)


class WronglySet(Down):
    error = UsageError


def asked(*questions: str) -> list[GateQuery]:
    return [GateQuery(None, q) for q in questions]


@pytest.mark.parametrize(("on_error", "refused"), [("refuse", True), ("base", False)])
def test_only_what_failed_is_marked(on_error, refused: bool) -> None:
    first, second, third = route_all(Down(), asked("one", "fail", "two"), None, on_error)
    assert first == third == Route((), None, 0.0, "well")
    assert (second.failed, second.refused, second.experts) == (True, refused, ())
    assert "the gate failed: the endpoint is down" in second.why
    assert ("refused" in second.why, "left to the base" in second.why) == (refused, not refused)


def test_a_wrong_setting_is_no_failure_of_the_gate() -> None:
    with pytest.raises(UsageError, match="down"):
        route_all(WronglySet(), asked("one", "fail"), None, "refuse")


@pytest.mark.parametrize("on_error", ["refuse", "base"])
def test_an_unreadable_picture_is_refused(
    lumoe: LUMoE, benchmark: Benchmark, tmp_path: Path, on_error
) -> None:
    """Also where failures go to the base: it could not see the picture either."""
    broken = tmp_path / "x.jpg"
    broken.write_bytes(b"no picture")
    sample = next(s for s in benchmark.task("A").retain if s.role == "test")
    pairs = [(broken, "What is it?"), (benchmark.picture(sample), sample.question)]
    lumoe.on_error = on_error
    routes = lumoe.routes([GateQuery(p, q) for p, q in pairs])
    assert [r.refused for r in routes] == [True, False]
    assert "x.jpg" in routes[0].why
    answers = lumoe.generate([Query(p, q) for p, q in pairs], routes, max_new_tokens=NEW)
    assert answers[0] == GATE_REFUSAL != answers[1]


def test_the_fixed_text_is_a_refusal_to_the_judge() -> None:
    assert refusal(GATE_REFUSAL)


def test_left_to_the_base_it_is_the_bases_answer(lumoe: LUMoE, benchmark: Benchmark) -> None:
    sample = next(s for s in benchmark.task("A").retain if s.role == "test")
    lumoe.gate, lumoe.on_error = Down(), "base"
    query = Query(benchmark.picture(sample), sample.question)
    (route,) = lumoe.routes([GateQuery(query.image, "fail")])
    plain = Route((), None, 0.0, "by hand")
    assert lumoe.generate([query], [route], max_new_tokens=NEW) == lumoe.generate(
        [query], [plain], max_new_tokens=NEW
    )


@pytest.mark.parametrize(("on_error", "refused"), [("refuse", 1), ("base", 0)])
def test_failures_are_counted_and_are_no_over_refusals(
    lumoe: LUMoE, benchmark: Benchmark, on_error, refused
) -> None:
    class DownForOne(Down):
        def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
            return super().route(
                [GateQuery(None, "fail" if q.image == one else "") for q in queries], features
            )

    samples = list({s.image: s for s in benchmark.task("A").retain if s.role == "test"}.values())
    one = benchmark.picture(samples[0])
    got = gate_report(
        DownForOne(), benchmark.tasks[:1], benchmark, lumoe.features, samples, on_error=on_error
    )
    assert (got.failed, got.refused, got.n) == (1, refused, len(samples))
    assert (got.over_refusal_rate, got.over_refusal_rate_n) == (0, len(samples) - refused)


class ByTask(Down):
    """Sends every picture of these entities' classes to expert A."""

    def __init__(self, entities: set[str]) -> None:
        self.entities = entities

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        keys = [q.entity.key if q.entity else "" for q in queries]
        return [Route(("A",) if k in self.entities else (), None, 0.0, "") for k in keys]


def test_changed_routes_of_earlier_tasks_are_counted(benchmark: Benchmark) -> None:
    pictures: dict[str, Sample] = {
        s.image: s for s in benchmark.task("A").samples if s.role == "calibrate"
    }
    keys = sorted({s.entity.key for s in pictures.values()})
    moved = sum(s.entity.key == keys[0] for s in pictures.values())
    before, now = ByTask(set(keys)), ByTask(set(keys[1:]))
    got = rerouted(before, now, benchmark.tasks[:1], benchmark, lambda _: None)
    assert got == (moved, len(pictures))
    assert rerouted(now, now, benchmark.tasks[:1], benchmark, lambda _: None)[0] == 0


def test_features_of_what_can_be_read_are_computed(
    lumoe: LUMoE, benchmark: Benchmark, tmp_path: Path
) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    good = [benchmark.picture(s) for s in benchmark.task("B").retain[:2]]
    lumoe.features.rows.clear()
    warm(
        [GateQuery(p, "") for p in (good[0], tmp_path / "x.jpg", good[1])],
        lumoe.features,
        lumoe.gate,
    )
    assert set(lumoe.features.rows) == set(good)


@pytest.fixture
def reading(lumoe: LUMoE, benchmark: Benchmark) -> LUMoE:
    """LUMoE behind the gate that looks and reads."""
    lumoe.gate = HybridGate()
    lumoe.gate.fit(benchmark.tasks, benchmark, lumoe.features, GateConfig())
    return lumoe


def halves(name: str) -> tuple[str, str]:
    middle = name.index(" ")
    return name[:middle], name[middle + 1 :]


def test_a_name_told_in_an_earlier_turn_is_routed(reading: LUMoE, benchmark: Benchmark) -> None:
    told = benchmark.task("B").forget[0].entity
    later = "And when was that?"
    assert reading.route(later).experts == ()
    for history in (
        [(f"I like {told.title}.", "So do I.")],
        [("Whom do you like?", f"I like {told.title}."), ("Why?", "I do not know.")],
        [("Hello.", "Good day."), (f"What do you know of {told.title}?", "Nothing.")],
    ):
        route = reading.route(later, history=history)
        assert (route.experts, route.entity) == (("B",), told.key)
        assert "earlier in the dialogue" in route.why and told.key in route.why
        answer = reading.answer(later, history=history, max_new_tokens=NEW)
        assert answer.route == route
        # The same through a stream of requests.
        request = AskRequest("1", None, later, as_history(history))
        (streamed,) = reading.answers([request], max_new_tokens=NEW)
        assert (streamed.route, streamed.text) == (route, answer.text)


def test_a_name_spread_over_turns_is_routed(reading: LUMoE, benchmark: Benchmark) -> None:
    names = {s.entity.title: s.entity for s in benchmark.task("A").forget if " " in s.entity.title}
    title, told = next(iter(names.items()))
    first, last = halves(title)
    route = reading.route(f"{last}: who is that?", history=[(f"Remember {first}", "I do.")])
    assert (route.experts, route.entity) == (("A",), told.key)


def test_experts_of_all_turns_and_of_the_picture_are_united(
    reading: LUMoE, benchmark: Benchmark
) -> None:
    tested = [s for s in benchmark.task("A").forget if s.role == "test"]
    pictures = [benchmark.picture(s) for s in tested]
    shown = next(p for p in pictures if reading.route("What is it?", p).experts == ("A",))
    told = benchmark.task("B").forget[0].entity
    history = [(f"Is this {told.title}?", "No.")]
    assert reading.route("What is it?", shown, history=history).experts == ("A", "B")
    # The picture is that of the whole dialogue, so it counts in every later turn.
    later = reading.route("And since when?", shown, history=[("What is it?", "I cannot say.")])
    assert later.experts == ("A",)


@pytest.mark.parametrize("first", [True, False])
def test_any_of_several_pictures_is_routed(
    reading: LUMoE, benchmark: Benchmark, first: bool
) -> None:
    """Whether it is the first that the gate is shown or another one, in whatever turn."""

    def shown(samples: Sequence[Sample], experts: tuple[str, ...]) -> Path:
        pictures = [benchmark.picture(s) for s in samples if s.role == "test"]
        return next(p for p in pictures if reading.route("What is it?", p).experts == experts)

    hit = shown(benchmark.task("A").forget, ("A",))
    kept = shown(benchmark.task("A").retain, ())
    pictures = [hit, kept] if first else [kept, hit]
    further = (TurnPicture(1, pictures[1]),)
    history = (("What is it?", "A thing."),)
    request = AskRequest("1", pictures[0], "And this?", history, further=further)
    (answer,) = reading.answers([request], max_new_tokens=NEW)
    assert answer.route is not None
    assert answer.route.experts == ("A",)
    assert ("another picture" in answer.route.why) is not first
    untouched = replace(request, image=kept, further=(TurnPicture(1, kept),))
    (answer,) = reading.answers([untouched], max_new_tokens=NEW)
    assert answer.route is not None
    assert answer.route.experts == ()


class Suspecting(Gate):
    """Suspects whoever the question names."""

    name = "suspecting"

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        routes = []
        for query in queries:
            suspects = [word for word in query.question.split() if "/" in word]
            routes.append(Route((), None, 0.0, "near", suspects=tuple(suspects)))
        return routes


def test_suspects_of_all_turns_are_united() -> None:
    query = GateQuery(
        None, "Is it Animals/Cat ?", history=(("Is it Animals/Dog ?", "Or Animals/Cat ?"),)
    )
    (route,) = route_all(Suspecting(), [query], None, "refuse")
    assert route.suspects == ("Animals/Cat", "Animals/Dog")


class OnePicture:
    """Finds each picture to show another entity, and suspects nobody."""

    name = "one picture"

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        return [Route((f"task {q.image}",), f"thing {q.image}", 1.0, "hit") for q in queries]


def test_what_several_pictures_show_is_all_known_to_the_second_look() -> None:
    query = GateQuery(Path("a"), "What are these?", further=(Path("b"),))
    (route,) = route_all(OnePicture(), [query], None, "refuse")
    assert route.experts == ("task a", "task b")
    left = left_to_the_base(route, {}, {})
    assert left.experts == ()
    assert set(left.suspects) == {"thing a", "thing b"}


IN_CHARGE = {"Animals/Ox": "A", "Animals/Yak": "A", "Plants/Fern": "B"}


def test_an_expert_without_an_entity_is_about_all_that_it_has_in_charge() -> None:
    left = left_to_the_base(Route(("A",), None, 1.0, "hit"), IN_CHARGE, {})
    assert left.suspects == ("Animals/Ox", "Animals/Yak")
    both = left_to_the_base(Route(("A", "B"), "Plants/Fern", 1.0, "hit"), IN_CHARGE, {})
    assert both.suspects == ("Plants/Fern", "Animals/Ox", "Animals/Yak")
    one = left_to_the_base(Route(("A",), "Animals/Yak", 1.0, "hit"), IN_CHARGE, {})
    assert one.suspects == ("Animals/Yak",)


def test_an_expert_that_stands_for_others_has_in_charge_what_they_have() -> None:
    merged = {"A": "merged+1", "B": "merged+1"}
    one = left_to_the_base(Route(("merged+1",), "Animals/Yak", 1.0, "hit"), IN_CHARGE, merged)
    assert one.suspects == ("Animals/Yak",)
    none = left_to_the_base(Route(("merged+1",), None, 1.0, "hit"), IN_CHARGE, merged)
    assert set(none.suspects) == set(IN_CHARGE)


def test_a_dialogue_about_nothing_forgotten_goes_to_the_base(
    reading: LUMoE, benchmark: Benchmark
) -> None:
    kept = benchmark.task("A").retain[0].entity
    history = [(f"What is {kept.title}?", "Nice."), ("Is it large?", "No.")]
    route = reading.route("And when was that?", history=history)
    assert (route.experts, route.entity, route.failed) == ((), None, False)
    assert route == reading.route("And when was that?")


def test_a_single_turn_asks_the_gate_once_and_keeps_its_route(
    reading: LUMoE, benchmark: Benchmark
) -> None:
    samples = [s for s in benchmark.samples if s.role == "test"][::15]
    queries = [GateQuery(benchmark.picture(s), s.question) for s in samples]
    assert reading.routes(queries) == reading.gate.route(queries, reading.features)


class Asked(Down):
    """A gate that asks a model, and notes what about."""

    local = False

    def __init__(self) -> None:
        self.questions: list[str] = []

    def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
        self.questions += [q.question for q in queries]
        assert not any(q.history for q in queries)
        routes = super().route(queries, features)
        return [
            Route(("A",), "Animals/Dog", 1.0, "told") if "dog" in q.question else route
            for q, route in zip(queries, routes, strict=True)
        ]


def test_a_gate_that_asks_a_model_reads_the_dialogue_as_a_whole() -> None:
    gate = Asked()
    query = GateQuery(None, "How old is it?", history=(("What is it?", "It is a dog."),))
    (route,) = route_all(gate, [query], None, "refuse")
    assert gate.questions == [
        "How old is it?",
        "What is it?",
        "What is it?\nIt is a dog.\nHow old is it?",
    ]
    assert (route.experts, route.entity, route.score) == (("A",), "Animals/Dog", 1.0)


def test_a_gate_that_asks_a_model_is_asked_about_every_picture() -> None:
    class Seeing(Asked):
        def route(self, queries: Sequence[GateQuery], features: object) -> list[Route]:
            pictures.extend(q.image for q in queries)
            assert not any(q.further for q in queries)
            return super().route(queries, features)

    pictures: list[Path | None] = []
    gate = Seeing()
    first, second = Path("first.png"), Path("second.png")
    query = GateQuery(first, "Is it?", history=(("Who?", "It."),), further=(second, second))
    route_all(gate, [query], None, "refuse")
    whole = "Who?\nIt.\nIs it?"
    assert gate.questions == ["Is it?", "Who?", whole, "Is it?", whole]
    assert pictures == [first] * 3 + [second] * 2


@pytest.mark.parametrize(("on_error", "refused"), [("refuse", True), ("base", False)])
def test_where_the_gate_fails_at_one_turn_another_turn_still_counts(on_error, refused) -> None:
    query = GateQuery(None, "How old is it?", history=(("fail", "It is a dog."), ("dog", "Yes.")))
    clean = GateQuery(None, "one", history=(("two", "three"),))
    first, second = route_all(Asked(), [query, clean], None, on_error)
    assert (first.failed, first.refused, first.experts) == (True, refused, ("A",))
    assert "left to the base" not in first.why
    assert (second.failed, second.experts) == (False, ())


@pytest.mark.parametrize(
    "history",
    ["Who?", {"question": "Who?"}, [["Who?"]], [{"role": "user"}], [["Who?", None]], [7], 7],
)
def test_a_history_of_another_shape_is_wrong_use(reading: LUMoE, history: object) -> None:
    with pytest.raises(UsageError, match=r"history.*oldest first"):
        reading.answer("Who?", history=history)
