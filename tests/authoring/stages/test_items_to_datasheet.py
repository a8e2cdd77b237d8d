"""The stages from the items on: what goes in comes out in every layout, and only what may."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from mlubench.authoring.review.verdicts import LOG, ReviewRow, append_to_log
from mlubench.authoring.rows import ItemRow, KnownRow, read_rows, write_rows
from mlubench.authoring.runner import run_stages
from mlubench.authoring.stage import Context, ItemScores, Stage, Tools
from mlubench.authoring.stages.know import kept_items
from mlubench.authoring.stages.table import stages_of
from mlubench.core.errors import DataError, MlubenchError
from mlubench.core.files import read_manifest
from mlubench.data import check, release
from support.small_build import small_context

SPLIT = {"kind": "mixed", "tasks": 3, "forget": 0.5}


def given(name: str, output: str) -> Stage:
    """A first stage whose output is there already."""

    def make(ctx: Context) -> None:
        assert (ctx.root / output).is_file()

    return Stage(name, (output,), (), lambda ctx: None, make, lambda ctx: "")


def build(ctx: Context, **how: object) -> dict[str, str]:
    names = ("entities", "pictures", "questions", "answers")
    stages = [given(name, f"{name}.jsonl") for name in names]
    stages += stages_of(ctx.spec)[len(names) :]
    redo = () if (ctx.root / "build.json").is_file() else names
    states = run_stages(stages, ctx, redo=redo, **how)  # type: ignore[arg-type]
    return {s.name: s.status for s in states}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Context:
    ctx = small_context(tmp_path_factory.mktemp("built"), split=SPLIT)
    build(ctx)
    return ctx


def test_the_official_layout_is_sound_and_whole(built: Context) -> None:
    root = built.root / "release"
    assert [f for f in check.check(root, root) if f.severity == "error"] == []
    benchmark = release.read(root)
    assert benchmark.stand_ins
    assert [t.name for t in benchmark] == ["A", "B", "C"]
    assert len(benchmark.samples) == 12 * 3 * 2 * 5
    assert all(benchmark.picture(s).is_file() for s in benchmark.samples)
    assert all(s.phrasing < 5 for s in benchmark.samples)
    read_manifest(root)


def test_load_dataset_gives_the_same_records(built: Context) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the package datasets")
    cache = str(built.root / "cache")
    benchmark = release.read(built.root / "release")
    for task in benchmark:
        found = datasets.load_dataset(
            str(built.root / "dataset"), task.name, split="forget", cache_dir=cache
        )
        expected = [(s.entity.name, s.question, s.truth) for s in task.forget]
        records = [(row["entity"], row["question"], row["answer"]) for row in found]
        assert sorted(records) == sorted(expected)
        assert found[0]["image"].size == (48, 48)
        assert found[0]["licence"] == "CC0-1.0"


def test_the_datasheet_tells_what_there_is(built: Context) -> None:
    text = (built.root / "datasheet.md").read_text()
    assert "12 of 12 entities in 3 tasks, 360 records" in text
    assert "| drawn | CC0-1.0 | 36 | 0 |" in text
    assert "| given | 24 |" in text
    assert len(re.findall(r"\| [0-9a-f]{64} \|", text)) == 7 + 6 + 6
    assert {f.name for f in (built.root / "figures").iterdir()} == {
        "records.png",
        "facts.png",
        "dropped.png",
    }


def test_the_same_build_gives_the_same_bytes(built: Context, tmp_path: Path) -> None:
    again = small_context(tmp_path, split=SPLIT)
    build(again)
    files = {
        f.relative_to(built.root)
        for f in built.root.rglob("*")
        if f.is_file() and "cache" not in f.parts
    }
    assert files == {f.relative_to(tmp_path) for f in tmp_path.rglob("*") if f.is_file()}
    for name in files:
        assert (built.root / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_nothing_is_done_twice_and_a_new_word_is_heard(tmp_path: Path) -> None:
    ctx = small_context(tmp_path, entities=6, split={"kind": "mixed", "tasks": 2, "forget": 0.5})
    assert build(ctx)["items"] == "todo"
    assert set(build(ctx).values()) == {"done"}
    items = read_rows(tmp_path / "items.jsonl", ItemRow)
    gone = items[0]
    mended = next(item for item in items if item.entity != gone.entity)
    word = {"who": "Ann", "when": "2026-01-02T00:00:00+00:00"}
    append_to_log(
        tmp_path / LOG,
        [
            ReviewRow(id=gone.id, verdict="rejected", **word),
            ReviewRow(id=mended.id, verdict="edited", answer="So.", **word),
        ],
    )
    states = build(ctx)
    assert (states["items"], states["review"], states["release"]) == ("done", "todo", "todo")
    kept = {i.id: i for i in kept_items(tmp_path)}
    assert gone.id not in kept
    assert kept[mended.id].answer == "So."
    text = (tmp_path / "datasheet.md").read_text()
    assert "| rejected by a person | 1 |" in text
    assert "| Ann | 2 |" in text


def test_a_review_that_is_required_stops_the_build(tmp_path: Path) -> None:
    ctx = small_context(tmp_path, entities=6, review={"required": True}, split=SPLIT)
    with pytest.raises(DataError, match="180 of 180 items wait for a person"):
        build(ctx)
    items = read_rows(tmp_path / "items.jsonl", ItemRow)
    word = {"who": "Ann", "when": "2026-01-02T00:00:00+00:00"}
    append_to_log(tmp_path / LOG, [ReviewRow(id=i.id, verdict="accepted", **word) for i in items])
    assert build(ctx)["review"] == "todo"


def test_only_what_every_model_knows_stays_and_the_rest_is_told(tmp_path: Path) -> None:
    def know(ctx: Context, items: Sequence[ItemRow]) -> list[ItemScores]:
        rows: list[ItemScores] = [{"one": 2, "two": 2} for _ in items]
        rows[0] = {"one": 2, "two": 1}
        rows[1] = {"one": 0, "two": 0}
        rows[2] = {"one": 2, "two": None}
        return rows

    ctx = small_context(
        tmp_path,
        know={"models": ["one", "two"]},
        split=SPLIT,
        tools=Tools(score_knowledge=know),
    )
    build(ctx)
    rows = read_rows(tmp_path / "known.jsonl", KnownRow)
    assert [r.kept for r in rows[:4]] == [False, False, False, True]
    assert rows[0].why == "not answered rightly by two"
    assert rows[1].why == "not answered rightly by one; not answered rightly by two"
    assert rows[2].why == "not judged for two"
    assert len(kept_items(tmp_path)) == len(rows) - 3
    assert "| not judged for two | 1 |" in (tmp_path / "datasheet.md").read_text()


def test_nothing_known_is_an_error(tmp_path: Path) -> None:
    def know(ctx: Context, items: Sequence[ItemRow]) -> list[ItemScores]:
        return [{"one": 0} for _ in items]

    ctx = small_context(
        tmp_path, know={"models": ["one"]}, split=SPLIT, tools=Tools(score_knowledge=know)
    )
    with pytest.raises(DataError, match="no item is known to every model"):
        build(ctx)


def test_a_split_mended_by_hand_is_what_is_written(tmp_path: Path) -> None:
    ctx = small_context(tmp_path, split=SPLIT)
    build(ctx)
    path = tmp_path / "tasks.yaml"
    tasks = yaml.safe_load(path.read_text())
    moved = tasks["A"]["forget"].pop()
    tasks["B"]["retain"].append(moved)
    path.write_text(yaml.safe_dump(tasks, allow_unicode=True))
    states = build(ctx)
    assert (states["split"], states["release"]) == ("mended", "todo")
    benchmark = release.read(tmp_path / "release")
    assert moved in {s.entity.key for s in benchmark.task("B").retain}
    tasks["A"]["forget"].append(moved)
    path.write_text(yaml.safe_dump(tasks, allow_unicode=True))
    with pytest.raises(DataError, match="is in A forget and in B retain"):
        build(ctx)
    path.write_text("A: [nothing]\n")
    with pytest.raises(DataError, match="task A is not"):
        build(ctx)


def test_a_mended_split_whose_items_changed_is_a_clash(tmp_path: Path) -> None:
    ctx = small_context(tmp_path, split=SPLIT)
    build(ctx)
    (tmp_path / "tasks.yaml").write_text((tmp_path / "tasks.yaml").read_text() + "# mended\n")
    other = small_context(tmp_path, split=SPLIT | {"tasks": 2})
    with pytest.raises(MlubenchError, match="mended by hand"):
        build(other)


def test_a_similar_split_is_harder_than_chance(tmp_path: Path) -> None:
    ctx = small_context(tmp_path, split={"kind": "similarity", "tasks": 3, "forget": 0.5})
    build(ctx)
    told = re.search(r"(\d\.\d+) on average; (\d\.\d+) if", (tmp_path / "datasheet.md").read_text())
    assert told
    assert float(told[1]) > float(told[2])


@pytest.mark.parametrize(
    "picture", ["pictures/Animals/../../../away.jpg", "/pictures/Animals/x/1.jpg", "pictures/x.jpg"]
)
def test_a_mended_picture_path_cannot_leave_the_release(tmp_path: Path, picture: str) -> None:
    ctx = small_context(
        tmp_path / "built", entities=4, split={"kind": "mixed", "tasks": 1, "forget": 0.5}
    )
    (tmp_path / "away.jpg").write_bytes(b"x")
    build(ctx, until="know")
    path = ctx.root / "reviewed.jsonl"
    items = read_rows(path, ItemRow)
    write_rows(path, [items[0].model_copy(update={"picture": picture}), *items[1:]])
    before = {f for f in tmp_path.rglob("*") if "built" not in f.parts}
    with pytest.raises((DataError, OSError)):
        build(ctx)
    assert not (ctx.root / "release").exists()
    assert {f for f in tmp_path.rglob("*") if "built" not in f.parts} == before
