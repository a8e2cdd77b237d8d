"""The page: whole by itself, safe with any answer, and honest about what is missing."""

import base64
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from mlubench.core.errors import MlubenchError
from mlubench.report.breakdown import splits
from mlubench.report.endings_table import endings_lines
from mlubench.report.html import write_report
from mlubench.report.samples import pick_examples
from mlubench.runs.folder import RunDir
from mlubench.runs.results import parse_results
from mlubench.runs.rows import write_verdicts
from mlubench.types import VerdictRow
from support.synthetic import make_answers, make_results

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def report(run_dir: Path, results: dict, **answers: object) -> Page:
    make_answers(run_dir, results, **answers)
    (run_dir / "results.json").write_text(json.dumps(results))
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def test_holds_every_section_and_nothing_from_outside(tmp_path: Path) -> None:
    page = report(tmp_path, make_results(("ga", "lumoe")))
    ids = {attrs.get("id") for attrs in page.all("section")}
    assert ids == {
        "run",
        "scores",
        "heat-maps",
        "decay",
        "levels",
        "differences",
        "gates",
        "breakdowns",
        "samples",
    }
    assert {link["href"] for link in page.all("a")} == {f"#{name}" for name in ids}
    assert "stand-ins, not photographs" in page.text
    assert "torch 2.10.0" in page.text
    assert len(page.all("svg")) == 2
    assert not page.all("script")
    assert not page.all("link")
    for _, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        for name in ("src", "href", "xlink:href"):
            assert (attrs.get(name) or "#").startswith(("#", "data:image/"))
    text = (tmp_path / "report.html").read_text()
    assert set(re.findall(r"https?://[^\"'<> ]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert str(tmp_path) not in text


def test_ids_are_unique(tmp_path: Path) -> None:
    ids = [attrs["id"] for _, attrs in report(tmp_path, make_results()).tags if attrs.get("id")]
    assert len(ids) == len(set(ids))


def test_samples_show_base_first_and_last_answers(tmp_path: Path) -> None:
    page = report(tmp_path, make_results(("ga", "lumoe")))
    assert len(page.all("article")) == 20
    pictures = page.all("img")
    assert len(pictures) == 20
    assert all(
        picture["src"].startswith("data:image/") and "Zoë Ω" in picture["alt"]
        for picture in pictures
    )
    assert "It is <b>Ana</b>." in page.text
    assert "I cannot say. (ga UA)" in page.text
    assert "I cannot say. (ga UD)" in page.text
    assert "answered by expert A: nearest picture" in page.text


def test_samples_are_spread_over_splits_classes_and_tasks(tmp_path: Path) -> None:
    results = make_results(("ga",), "CABD")
    make_answers(tmp_path, results)
    first = pick_examples(RunDir(tmp_path), parse_results(results)).shown
    assert first == pick_examples(RunDir(tmp_path), parse_results(results)).shown
    assert list(dict.fromkeys(example.task for example in first)) == list("CABD")
    for split in ("forget", "retain"):
        of_split = [example for example in first if example.split == split]
        assert len(of_split) == 10
        for values in ([e.cls for e in of_split], [e.task for e in of_split]):
            counts = Counter(values)
            assert max(counts.values()) - min(counts.values()) <= 1
    assert [answer.archive for answer in first[0].answers] == ["", "UC", "UD"]
    assert [answer.archive for answer in first[-1].answers] == ["", "UD"]


def test_what_was_answered_does_not_change_which_samples_are_shown(tmp_path: Path) -> None:
    chosen = []
    for response in ("I cannot say.", "It is Ana."):
        folder = tmp_path / response[:4]
        results = make_results(("ga",), "AB")
        make_answers(folder, results, response=response)
        examples = pick_examples(RunDir(folder), parse_results(results)).shown
        chosen.append([(example.task, example.title, example.question) for example in examples])
    assert chosen[0] == chosen[1]


def test_verdicts_stand_under_their_answers(tmp_path: Path) -> None:
    results = make_results(("ga",), "A")
    make_answers(tmp_path, results)
    rows = []
    for number in range(8):
        rows.append(VerdictRow(f"A-{number}", "utility", 1, f"half right {number}"))
    run = RunDir(tmp_path)
    path = run.verdicts("rules", "ga", "A", "A")
    path.parent.mkdir(parents=True)
    write_verdicts(path, rows)
    shown = pick_examples(run, parse_results(results)).shown
    said = {example.answers[1].verdict for example in shown}
    assert said == {f"scored 1: half right {number}" for number in range(8)}
    assert {example.answers[0].verdict for example in shown} == {""}
    path.write_text("no verdict\n{}\n")
    assert pick_examples(run, parse_results(results)).notes == [
        "1 files of verdicts could not be read; answers stand without them."
    ]


def test_how_methods_end_is_shown_where_the_run_says_it(tmp_path: Path) -> None:
    results = make_results(("ga", "lumoe"))
    row = {"method": "ga", "after": "D", "n": 40, "refusals": 30, "gibberish": 4, "distinct": 3}
    results["endings"] = [{**row, "split": "forget", "distinct_truths": 20}]
    page = report(tmp_path, results)
    assert "endings" in {attrs.get("id") for attrs in page.all("section")}
    assert "3 of 40 (20)" in page.text
    assert endings_lines(parse_results(results)) == [
        ["GA", "75%", "10%", "3 of 40 (20)", "–", "–", "–"]
    ]


OUTSIDE = "not a path inside the picture folder"


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("../secret.jpg", OUTSIDE),
        ("/etc/hostname", OUTSIDE),
        ("a/../../secret.jpg", OUTSIDE),
        ("", "asked in words alone"),
    ],
)
def test_only_files_below_the_picture_folder_are_opened(
    tmp_path: Path, image: str, said: str
) -> None:
    results = make_results(("ga",), "A")
    make_answers(tmp_path, results)
    (tmp_path / "secret.jpg").write_bytes(next((tmp_path / "pictures").rglob("*.jpg")).read_bytes())
    for path in (tmp_path / "answers").rglob("*.jsonl"):
        lines = [json.loads(line) | {"image": image} for line in path.read_text().splitlines()]
        path.write_text("\n".join(json.dumps(line) for line in lines))
    shown = pick_examples(RunDir(tmp_path), parse_results(results)).shown
    assert all(not e.picture and e.no_picture.startswith(said) for e in shown)


def test_broken_pictures_and_lines_do_not_stop_the_report(tmp_path: Path) -> None:
    results = make_results(("ga",), "A")
    make_answers(tmp_path, results)
    for path in (tmp_path / "pictures").rglob("*.jpg"):
        path.write_bytes(b"not a picture")
    with (tmp_path / "answers" / "ga" / "A-UA.jsonl").open("a") as out:
        out.write('{"id": "cut off\n[1]\n\n')
    page = Page(write_report(tmp_path, parse_results(results)).read_text())
    assert ".jpg is no JPEG, PNG or WebP" in page.text
    assert "2 lines of the answer files could not be read" in page.text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_of_every_format_of_the_data_are_shown(tmp_path: Path, kind: str) -> None:
    results = make_results(("ga",), "A")
    make_answers(tmp_path, results)
    for path in (tmp_path / "pictures").rglob("*.jpg"):
        Image.new("L", (1000, 10)).save(path, format=kind)
    shown = pick_examples(RunDir(tmp_path), parse_results(results)).shown
    assert all(re.match(r"data:image/(jpeg|png);base64,", example.picture) for example in shown)


def test_the_page_shows_what_the_model_saw(tmp_path: Path) -> None:
    """Turned upright, and white where the file is transparent."""
    results = make_results(("ga",), "A")
    make_answers(tmp_path, results)
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in (tmp_path / "pictures").rglob("*.jpg"):
        Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(path, format="PNG", exif=exif)
    shown = pick_examples(RunDir(tmp_path), parse_results(results)).shown
    assert shown
    for example in shown:
        data = base64.b64decode(example.picture.split(",")[1])
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        assert (picture.size, picture.getpixel((5, 5))) == ((20, 40), (255, 255, 255))


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_pictures_of_other_formats_show_as_missing(tmp_path: Path, kind: str) -> None:
    results = make_results(("ga",), "A")
    make_answers(tmp_path, results)
    for path in (tmp_path / "pictures").rglob("*.jpg"):
        Image.new("L", (1000, 10)).save(path, format=kind)
    shown = pick_examples(RunDir(tmp_path), parse_results(results)).shown
    assert shown
    for example in shown:
        assert example.picture == ""
        assert example.no_picture.endswith(f".jpg is a {kind}")


def test_long_and_half_spelled_answers(tmp_path: Path) -> None:
    results = make_results(("ga",), "A")
    make_answers(tmp_path, results, response="HALF" + "x" * 2000)
    for path in (tmp_path / "answers").rglob("*.jsonl"):
        path.write_text(path.read_text().replace("HALF", "\\ud800"))
    page = Page(write_report(tmp_path, parse_results(results)).read_text())
    assert "more characters)" in page.text
    assert "x" * 601 not in page.text


def test_what_needs_no_judge_has_a_table_of_its_own(tmp_path: Path) -> None:
    results = make_results(("ga",), "AB")
    assert "reference-metrics" not in {
        attrs.get("id") for attrs in report(tmp_path, results).all("section")
    }
    for cell in [*results["base"], *results["cells"]]:
        cell |= {"rouge_l": 0.111, "truth_probability": 0.222, "truth_probability_missing": 0}
    page = report(tmp_path, results)
    assert "reference-metrics" in {attrs.get("id") for attrs in page.all("section")}
    assert "P(truth), forget↓" in page.text
    assert page.text.count("0.222") == 4


def test_partial_run(tmp_path: Path) -> None:
    results = make_results(("ga", "lumoe"), gates=False)
    results["cells"] = [c for c in results["cells"] if c["method"] == "ga" and c["after"] in "AB"]
    results["cells"] += [c for c in make_results(("lumoe",))["cells"] if c["after"] == "A"]
    results["run"]["methods"] = ["ga", "lumoe", "po"]
    results["cells"][0] |= {"score": None, "ci95": None, "n": 0, "unscored": 80}
    results |= {"summary": [], "breakdowns": []}
    page = report(tmp_path, results)
    assert "This run is partial: 8 of 60 scores are there." in page.text
    assert "could not be judged" in page.text
    assert "This run tested no gates." in page.text
    assert "No method has finished the sequence yet." in page.text
    assert "This run has no breakdown by phrasing." in page.text


def test_before_the_first_archive(tmp_path: Path) -> None:
    results = make_results((), "AB", gates=False)
    page = Page(write_report(tmp_path, parse_results(results)).read_text())
    assert "only the base can be shown" in page.text
    assert "This run holds no answers to show." in page.text
    assert not page.all("svg")


def test_breakdowns_pool_tasks_by_their_answers() -> None:
    results = make_results(("ga",), "AB")
    row = {
        "method": "ga",
        "after": "B",
        "metric": "utility",
        "judge": "rules",
        "by": "phrasing",
        "value": "seen",
    }
    results["breakdowns"] = [
        {**row, "task": "A", "score": 1.0, "n": 30},
        {**row, "task": "B", "score": 0.5, "n": 10},
        {**row, "task": "B", "score": None, "n": 0, "value": "unseen"},
        {**row, "task": "A", "after": "A", "score": 0.0, "n": 99},
    ]
    (table,) = splits(parse_results(results), "rules", "phrasing")
    # Its utility is far below the base's.
    assert table.columns == [("GA", "UB†")]
    assert [(value, shown[0].text) for value, shown in table.rows] == [
        ("seen", "0.875"),
        ("unseen", "–"),
    ]


def test_same_run_same_bytes(tmp_path: Path) -> None:
    results = make_results(("ga",), "AB")
    make_answers(tmp_path, results)
    first = write_report(tmp_path, parse_results(results)).read_bytes()
    assert first == write_report(tmp_path, parse_results(results)).read_bytes()


def test_no_results_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(MlubenchError, match=r"results\.json does not exist"):
        write_report(tmp_path)
