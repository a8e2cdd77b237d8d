"""Figures: every number is drawn, partial runs do not lie, and the files are the same each time."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from mlubench.report.decay import points, spread
from mlubench.report.figures import decay_curves, heat_maps, save_png
from mlubench.report.html import write_figures
from mlubench.report.plot_style import STYLES, ink, luminance, plain, style
from mlubench.report.svg import inline_svg
from mlubench.runs.results import parse_results
from support.paths import REPOSITORY
from support.synthetic import HOSTILE, make_results

DRAWINGS = (heat_maps, decay_curves)


def texts(ax: object) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_heat_maps_have_a_panel_per_method_and_metric() -> None:
    figure = heat_maps(parse_results(make_results(("ga", "lumoe"))))
    panels, bar = figure.axes[:-1], figure.axes[-1]
    assert [ax.get_title() for ax in panels] == ["GA", "LUMoE", "", ""]
    numbers = [text for text in texts(panels[0]) if text != "†"]
    assert numbers[:4] == ["0.38", "0.22", "0.06", "0.00"]
    assert len(numbers) == 10
    assert len(panels[1].texts) == len(panels[3].texts) == 10
    assert bar.get_ylim() == (0, 1)
    assert panels[0].get_ylabel().startswith("Forget quality")
    assert panels[2].get_ylabel().startswith("Utility")


def test_heat_map_rows_and_columns_follow_the_sequence() -> None:
    ax = heat_maps(parse_results(make_results(("ga",), "CABD"))).axes[1]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["C", "A", "B", "D"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["UC", "UA", "UB", "UD"]
    places = {text.get_position() for text in ax.texts}
    assert all(x >= y for x, y in places)


def test_heat_map_tells_missing_from_unjudged() -> None:
    results = make_results(("ga",), "AB")
    results["cells"][0] |= {"score": None, "ci95": None}
    del results["cells"][1]
    assert texts(heat_maps(parse_results(results)).axes[0])[:2] == ["?", "–"]


def test_dead_archives_are_marked_in_both_figures() -> None:
    """GA of the made-up run has a utility of at most 0.12 where the base has 0.93; LUMoE has the base's."""
    results = parse_results(make_results(("ga", "lumoe")))
    ga, lumoe = heat_maps(results).axes[:2]
    assert texts(ga).count("†") == 10
    assert "†" not in texts(lumoe)
    assert "† in its corner: dead" in heat_maps(results).texts[0].get_text()
    assert [point.dead for point in points(results, "rules", "utility", "ga")] == [True] * 4
    assert not any(point.dead for point in points(results, "rules", "utility", "lumoe"))
    curves = decay_curves(results)
    assert "dead" in curves.texts[0].get_text()
    faces = [line.get_markerfacecolor() for line in curves.axes[0].lines]
    assert faces.count("white") == 4
    alive = parse_results(make_results(("lumoe",)))
    assert "dead" not in decay_curves(alive).texts[0].get_text()
    assert "dead" not in heat_maps(alive).texts[0].get_text()


def test_decay_is_the_mean_over_past_tasks_by_hand() -> None:
    results = make_results(("ga",), "AB")
    score = {
        (c["task"], c["after"]): c["score"] for c in results["cells"] if c["metric"] == "utility"
    }
    found = points(parse_results(results), "rules", "utility", "ga")
    assert [point.mean for point in found] == pytest.approx(
        [score["A", "A"], (score["A", "B"] + score["B", "B"]) / 2]
    )
    # Two independent intervals of 0.05 below and 0.04 above: sqrt(2) times that, over two.
    assert found[1].reach == pytest.approx((0.05 * 2**0.5 / 2, 0.04 * 2**0.5 / 2))


def test_decay_leaves_out_steps_and_intervals_that_are_not_whole() -> None:
    results = make_results(("ga",), "ABC")
    utility = [c for c in results["cells"] if c["metric"] == "utility"]
    next(c for c in utility if (c["task"], c["after"]) == ("A", "B"))["score"] = None
    next(c for c in utility if (c["task"], c["after"]) == ("B", "C"))["ci95"] = None
    found = points(parse_results(results), "rules", "utility", "ga")
    assert [(point.index, point.reach is None) for point in found] == [(0, False), (2, True)]
    drawn = decay_curves(parse_results(results)).axes[1].lines[0].get_ydata()
    assert len(drawn) == 3
    assert drawn[1] != drawn[1]


def test_decay_names_every_line() -> None:
    for ax in decay_curves(parse_results(make_results(("ga", "po", "new_method")))).axes:
        assert sorted(texts(ax)) == ["Base", "GA†", "PO†", "new_method†"]
        assert "higher is better" in ax.get_title()


def test_names_do_not_overlap() -> None:
    placed = spread([0.0, 0.0, 0.01, 0.5, 0.99, 1.0], 0.06, 0.0, 1.0)
    assert all(b - a >= 0.06 - 1e-9 for a, b in pairwise(placed))
    assert placed[0] >= 0
    assert placed[-1] <= 1


def test_colours_are_distinct_fixed_and_readable() -> None:
    assert len({to_rgb(colour) for colour, _ in STYLES.values()}) == len(STYLES)
    assert len({marker for _, marker in STYLES.values()}) == len(STYLES)
    assert style("lumoe", ["lumoe"]) == style("lumoe", ["x", "lumoe"])
    assert style("x", ["x", "y"]) != style("y", ["x", "y"])
    for colour, _ in STYLES.values():
        assert 1.05 / (luminance(ink(colour)) + 0.05) >= 4.5


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize(
    ("methods", "tasks"),
    [(("ga",), "A"), ((), "A"), (("lumoe",), "CABD"), (("$x^$", "Zoë_Ω"), "AB")],
)
def test_odd_runs_can_be_drawn(draw, methods, tasks, tmp_path: Path) -> None:
    results = make_results(methods, tasks, gates=False)
    save_png(draw(parse_results(results)), tmp_path / "x.png", dpi=50)
    assert Image.open(tmp_path / "x.png").width > 100
    ET.fromstring(inline_svg(draw(parse_results(results)), "p", "alt"))


@pytest.mark.parametrize("draw", DRAWINGS)
def test_svg_is_the_same_each_time_and_its_ids_are_its_own(draw) -> None:
    results = make_results()
    results["cells"][0]["score"] = None  # hatching brings a pattern with an id of its own
    one, again, other = (
        inline_svg(draw(parse_results(results)), prefix, "what it shows")
        for prefix in ("a", "a", "b")
    )
    assert one == again
    ids = [{e.get("id") for e in ET.fromstring(svg).iter() if e.get("id")} for svg in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for svg, known in zip((one, other), ids, strict=True):
        for element in ET.fromstring(svg).iter():
            for key, value in element.attrib.items():
                if key.endswith("href") and value.startswith("#"):
                    assert value[1:] in known
                if "url(#" in value:
                    assert value.split("url(#")[1].split(")")[0] in known
    root = ET.fromstring(one)
    assert (root.get("role"), root.get("aria-label")) == ("img", "what it shows")
    assert "<style" not in one
    assert "<metadata" not in one
    assert "#e6e6e6" in one if draw is heat_maps else True


def test_svg_escapes_hostile_names() -> None:
    svg = inline_svg(heat_maps(parse_results(make_results(("<b>", "ga")))), "p", HOSTILE)
    assert "<b>" not in svg
    assert "<script" not in svg
    assert ET.fromstring(svg).get("aria-label") == HOSTILE


def test_plain_names() -> None:
    assert plain("a$b$") == r"a\$b\$"
    assert plain("x\x00\ny") == "xy"
    assert len(plain("n" * 40)) == 12


def test_write_figures_saves_both_at_readme_size(tmp_path: Path) -> None:
    paths = write_figures(parse_results(make_results()), tmp_path / "out")
    assert [path.name for path in paths] == ["heatmaps.png", "decay.png"]
    for path in paths:
        assert 1900 <= Image.open(path).width <= 2200
        assert path.stat().st_size < 400_000


def test_drawing_leaves_pyplot_alone() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests'); from support.synthetic import make_results;"
        "from mlubench.report.figures import heat_maps, decay_curves; from mlubench.runs.results import parse_results;"
        "r = parse_results(make_results(('ga',), 'A'));"
        "heat_maps(r); decay_curves(r); print('matplotlib.pyplot' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.split() == ["False", "False"]
