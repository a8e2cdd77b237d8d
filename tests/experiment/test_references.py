"""What LUMoE is held against: its gate alone says one sentence, and a prompt lists what the base is to decline."""

from collections.abc import Callable
from pathlib import Path

from mlubench.experiment.context import Context
from mlubench.experiment.learners.prompted import PromptedBase, prompt_against
from mlubench.lumoe.engine.lumoe import GATE_REFUSAL
from mlubench.runs.folder import RunDir
from mlubench.runs.rows import read_answers
from mlubench.types import Benchmark
from support.runs import Finished, level

CELLS = [("A", "A"), ("A", "B"), ("B", "B")]


def test_the_gate_alone_says_one_sentence_where_an_expert_spoke_and_lumoes_words_elsewhere(
    finished: Finished,
) -> None:
    run = RunDir(finished.folder)
    replaced = 0
    for task, after in CELLS:
        alone = {row.id: row for row in read_answers(run.answers("gate-only", task, after))}
        for row in read_answers(run.answers("lumoe", task, after)):
            assert row.route is not None
            if row.route.experts or row.second_look:
                assert alone[row.id].response == GATE_REFUSAL
                replaced += 1
            else:
                assert alone[row.id].response == row.response
    assert replaced > 20


def test_references_are_scored_apart_from_the_methods(finished: Finished) -> None:
    results = finished.results
    assert {cell["method"] for cell in results["references"]} == {"gate-only"}
    assert "gate-only" not in {cell["method"] for cell in results["cells"]}
    of_gate = level(results["references"], "gate-only", "utility")
    of_lumoe = level(results["cells"], "lumoe", "utility")
    assert set(of_gate) == set(of_lumoe) == set(CELLS)
    pairs = {(row["a"], row["b"]) for row in results["reference_comparisons"]}
    assert pairs == {("lumoe", "gate-only")}


def test_the_page_and_the_table_show_references(finished: Finished) -> None:
    assert "Gate only" in finished.called.out
    assert "Gate only" in (finished.folder / "report.html").read_text()


def test_the_prompt_lists_what_was_forgotten_so_far(
    context: Callable[..., Context], benchmark: Benchmark, tmp_path: Path
) -> None:
    ctx = context(tmp_path)
    base = PromptedBase(ctx)
    sample = benchmark.task("A").retain[0]
    base.at([])
    assert base.queries([sample])[0].question == sample.question
    base.at(["A"])
    asked = base.queries([sample])[0].question
    assert asked == prompt_against([benchmark.task("A")]) + sample.question
    for entity in benchmark.task("A").forget_entities:
        assert entity.title in asked
    newer = benchmark.task("B").forget_entities[0].title
    assert newer not in asked
    base.at(["A", "B"])
    assert newer in base.queries([sample])[0].question
    assert (
        base.answer([sample], [None])[0]
        == ctx.mllm.generate(
            base.queries([sample]), max_new_tokens=ctx.config.evaluate.max_new_tokens
        )[0]
    )
