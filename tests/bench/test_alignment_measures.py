"""Measures of alignment on the real tiny model: an intact one, one whose projector is shuffled, and whole runs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from alignment_measures import (
    Gallery,
    ask_pairs,
    beside_base,
    make_pairs,
    measure_run,
    measures,
    see,
)
from mlubench.experiment.context import Context
from mlubench.experiment.learners.base import Base
from mlubench.experiment.sequence import run_lifelong
from mlubench.judging.run import make_judge
from mlubench.models.mllm import MLLM
from mlubench.runs.folder import RunDir
from mlubench.settings.loading import load
from mlubench.settings.run import Config
from mlubench.types import Benchmark, Question
from mlubench.unlearning.trainer import NoGradientError

SMALL = [
    "device=cpu",
    "methods=[po, lumoe]",
    "benchmark.order=[A]",
    "know.enabled=false",
    "evaluate.limit=4",
]


def context(config: Config, benchmark: Benchmark, mllm: MLLM, folder: Path) -> Context:
    return Context(config, benchmark, mllm, RunDir(folder))


def level(state: dict[str, Any], name: str) -> float:
    return measures(state, resamples=100)[name]["value"]


def test_a_wrong_picture_is_another_entitys_with_another_answer(benchmark: Benchmark) -> None:
    pairs, unpaired = make_pairs(benchmark, 20)
    # Task A retains two entities of a class, B but one, of which no other picture is a wrong one.
    assert (len(pairs), unpaired) == (20, 20)
    assert {p.sample.task for p in pairs} == {"A"}
    assert make_pairs(benchmark, 20) == (pairs, unpaired)
    judge = make_judge("rules", [(s.entity.cls, s.truth) for s in benchmark.samples])
    for one, two in ((p.sample, p.other) for p in pairs):
        assert (one.entity.cls, one.question, one.split, one.role) == (
            two.entity.cls,
            two.question,
            "retain",
            "test",
        )
        assert one.entity != two.entity
        answered = Question("utility", one.entity.key, one.question, one.truth, two.truth)
        assert judge.judge([answered])[0].score == 0


def test_the_base_answers_about_the_picture_it_sees(
    smoke_config: Config, benchmark: Benchmark, mllm: MLLM, tmp_path: Path
) -> None:
    ctx = context(smoke_config, benchmark, mllm, tmp_path)
    rows = ask_pairs(ctx, Base(ctx), make_pairs(benchmark, 20)[0])
    state = {"pairs": rows, "sites": {}}
    assert level(state, "right") > 0.9
    assert level(state, "follows") > 0.9
    assert level(state, "gap_wrong") > 0.8
    assert level(state, "gap_none") > 0.3
    assert level(state, "drop_wrong") > 0.2
    assert all(row["answer_right"] for row in rows)


def test_a_shuffled_projector_keeps_what_it_sees_and_loses_the_alignment(
    smoke_config: Config, benchmark: Benchmark, mllm: MLLM, tmp_path: Path
) -> None:
    ctx = context(smoke_config, benchmark, mllm, tmp_path)
    gallery, base = Gallery.of(benchmark), Base(ctx)
    before = see(ctx, base, gallery)
    last = mllm.base.model.multi_modal_projector.linear_2
    order = torch.randperm(last.out_features, generator=torch.Generator().manual_seed(0))
    last.weight.data, last.bias.data = last.weight.data[order], last.bias.data[order]
    sites = beside_base(gallery, before, see(ctx, base, gallery))
    state = {"pairs": ask_pairs(ctx, base, make_pairs(benchmark, 20)[0]), "sites": sites}
    assert abs(level(state, "gap_wrong")) < 0.3
    assert level(state, "follows") < 0.5
    assert level(state, "projector_refitted_retain") > 0.7
    assert level(state, "projector_carried_retain") < 0.6
    assert level(state, "projector_cosine_retain") < 0.5
    assert level(state, "projector_cka") == pytest.approx(1)
    assert level(state, "language_cka") < 0.9


def test_a_run_is_measured_state_by_state_and_once(tmp_path: Path) -> None:
    root = tmp_path / "run"
    settings = ["train.scope=vision", "train.lr=0.01", "train.epochs=3", "train.per_method={}"]
    run_lifelong(load("smoke", [*SMALL, *settings]), root, Console(quiet=True))
    told: list[str] = []
    base, po, lumoe = measure_run(root, limit=6, tell=told.append)
    assert [(s["method"], s["after"]) for s in (base, po, lumoe)] == [
        ("base", "0"),
        ("po", "A"),
        ("lumoe", "A"),
    ]
    assert level(base, "projector_cka") == pytest.approx(1)
    assert level(po, "projector_cosine_forget") < 0.9
    # Retain pictures go to the untouched base, forget pictures to the expert, whose scope is the vision part.
    assert lumoe["pairs"] == base["pairs"]
    assert level(lumoe, "projector_cosine_retain") == pytest.approx(1)
    assert level(lumoe, "projector_cosine_forget") < 0.9
    assert measure_run(root, limit=6, tell=told.append) == [base, po, lumoe]
    assert len(told) == 3
    assert len(measure_run(root, limit=5, tell=told.append)[0]["pairs"]) < len(base["pairs"])
    assert len(told) == 6


def test_blind_training_of_the_vision_part_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "run"
    config = load("smoke", [*SMALL, "train.scope=vision", "train.images=blind"])
    with pytest.raises(NoGradientError, match="no gradient reaches what is trained") as caught:
        run_lifelong(config, root, Console(quiet=True))
    assert len(str(caught.value).splitlines()) == 1
    assert RunDir(root).archived("po", ["A"]) == []


def test_measures_by_hand() -> None:
    def row(
        entity: str, right: float, wrong: float | None, logps: tuple[float, float, float]
    ) -> dict[str, Any]:
        names = ("logp_right", "logp_wrong", "logp_none")
        return {
            "entity": entity,
            "right": right,
            "wrong": wrong,
            "none": 0.0,
            "follows": 1.0,
        } | dict(zip(names, logps, strict=True))

    rows = [
        row("a", 1.0, 0.0, (-1.0, -3.0, -2.0)),
        row("a", 0.5, None, (0.0, 0.0, -1.0)),
        row("b", 1, 1, (0, -1, 0)),
    ]
    picture = {
        "image": "x",
        "entity": "a",
        "split": "retain",
        "refitted": True,
        "carried": False,
        "cosine": 0.25,
    }
    found = measures(
        {"pairs": rows, "sites": {"projector": {"cka": 0.5, "pictures": [picture]}}}, resamples=200
    )
    values = {name: out["value"] for name, out in found.items()}
    assert values["right"] == pytest.approx(2.5 / 3, abs=1e-6)
    assert values["wrong"] == values["gap_wrong"] == 0.5  # the unscored row counts for neither
    assert values["gap_none"] == values["right"]
    assert (values["drop_wrong"], values["drop_none"]) == (1.0, pytest.approx(2 / 3, abs=1e-6))
    assert (values["projector_refitted_retain"], values["projector_carried_retain"]) == (1, 0)
    assert (values["projector_cosine_retain"], values["projector_cka"]) == (0.25, 0.5)
    assert values["projector_refitted_forget"] is None
    assert found["gap_wrong"]["ci95"] == (0, 1)  # two entities, one with a gap of 1 and one of 0
