"""Pictures from folders, addresses and drawn: what is kept, what is not and why, and the same bytes after a kill."""

import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

import pytest

from mlubench.authoring.pictures import fetching
from mlubench.authoring.pictures.sources import DRAWN
from mlubench.authoring.rows import EntityRow
from mlubench.authoring.runner import plan_stages, run_stages
from mlubench.authoring.stage import Context
from mlubench.authoring.stages import entities, pictures
from mlubench.core.errors import DataError, MlubenchError, UsageError
from mlubench.core.files import write_atomic
from support.builds import PEOPLE, Web, context, files, noise, png_bomb, rows, web
from support.growth import growth
from support.virtual_time import VirtualTime

STAGES = [entities.STAGE, pictures.STAGE]
ZOE = "Personage/Zoë_Ångström"
MARTEN = "Animals/Grey_Marten"
TOWER = "Buildings/月の塔"


def make(ctx: Context) -> dict[str, dict[str, Any]]:
    run_stages(STAGES, ctx)
    return {
        Path(row["file"]).relative_to("pictures").as_posix(): row
        for row in rows(ctx.root / "pictures.jsonl")
    }


def folder(tmp_path: Path, **photos: bytes) -> Path:
    """A folder of photographs: by default two of Zoë."""
    for name, data in (photos or {"a.jpg": noise(1), "b.png": noise(2, kind="PNG")}).items():
        path = tmp_path / "photos" / ZOE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "photos"


def of_zoe(build: Path, **settings: Any) -> Context:
    """A build of her alone: an entity without a picture would be an error."""
    return context(build, entities=PEOPLE[:1], pictures=settings)


def test_drawn_pictures(tmp_path: Path) -> None:
    found = make(context(tmp_path / "b", pictures={"per_entity": 3}))
    assert len(found) == 9
    assert all(row["kept"] and row["source"] == DRAWN for row in found.values())
    assert {p for p in files(tmp_path / "b") if p.endswith(".jpg")} == {
        f"pictures/{name}" for name in found
    }


def test_a_folder_of_all_kinds(tmp_path: Path) -> None:
    root = folder(tmp_path)
    mine = root / ZOE
    (mine / "c.jpg").write_bytes(noise(1, (80, 60)))
    (mine / "d.jpg").write_bytes(noise(3)[:300])
    (mine / "e.jpg").symlink_to(tmp_path / "photos" / ZOE / "a.jpg")
    (mine / "f.jpg").write_bytes(png_bomb(20_000))
    (mine / "g.jpg").mkdir()
    (mine / ".hidden").write_bytes(b"x")
    (mine / "h.jpg").write_bytes(bytes(3000) + noise(4))
    found = make(of_zoe(tmp_path / "b", kind="folder", root="photos", max_bytes=2900, near=6))
    assert [found[f"{ZOE}/{n}.jpg"]["kept"] for n in range(1, 9)] == [True, True, *[False] * 6]
    why = [found[f"{ZOE}/{n}.jpg"]["why"] for n in range(3, 9)]
    expected = [
        "is nearly pictures",
        "Truncated",
        "is a link",
        "20000 x 20000 pixels",
        "is no plain file",
        "bytes, more",
    ]
    assert [text for text, part in zip(why, expected, strict=True) if part not in text] == []
    assert {p for p in files(tmp_path / "b") if p.endswith(".jpg")} == {
        f"pictures/{ZOE}/{n}.jpg" for n in (1, 2)
    }


def test_licences_are_kept_per_picture(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "licences.csv").write_text(
        f"file,licence,source\n{ZOE}/a.jpg,CC BY 4.0,https://a.example/1\n"
    )
    found = make(of_zoe(tmp_path / "b", kind="folder", root="photos", licence="mine"))
    assert [(row["licence"], row["source"]) for row in found.values()] == [
        ("CC BY 4.0", "https://a.example/1"),
        ("mine", f"{ZOE}/b.png"),
    ]


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "Animals").mkdir()
    (root / MARTEN).symlink_to(tmp_path)
    with pytest.raises(DataError, match="is a link"):
        make(context(tmp_path / "b", pictures={"kind": "folder", "root": "photos"}))
    with pytest.raises(UsageError, match="is not a folder"):
        make(context(tmp_path / "c", pictures={"kind": "folder", "root": "no-photos"}))


def test_one_picture_is_of_one_entity(tmp_path: Path) -> None:
    root = folder(tmp_path)
    shutil.copytree(root / ZOE, root / MARTEN)
    (root / MARTEN / "c.jpg").write_bytes(noise(3))
    settings = {"kind": "folder", "root": "photos"}
    found = make(context(tmp_path / "b", entities=PEOPLE[:2], pictures=settings))
    assert found[f"{MARTEN}/1.jpg"]["why"] == f"is a picture of {ZOE} too"


def test_no_picture_at_all_is_an_error(tmp_path: Path) -> None:
    folder(tmp_path, **{"a.jpg": b"no"})
    with pytest.raises(DataError, match=r"no picture could be used: is no JPEG, PNG or WebP \(1\)"):
        make(context(tmp_path / "b", pictures={"kind": "folder", "root": "photos"}))


def test_addresses_are_fetched_within_limits_and_only_as_many_as_needed(tmp_path: Path) -> None:
    with web() as site:
        good = [site.page(f"/{n}.jpg", noise(n)) for n in range(4)]
        html = site.page("/h", b"<html>", Content_Type="text/html")
        lines = [
            f"{ZOE},{html},CC0,",
            *(f"{ZOE},{url},CC0,me" for url in good),
            f"{MARTEN},{good[0]},,",
            f"{MARTEN},{good[3]},,",
        ]
        (tmp_path / "a.csv").write_text("\n".join(["entity,address,licence,source", *lines]))
        settings = {"kind": "addresses", "file": "a.csv", "per_entity": 2, "allow_private": True}
        found = make(context(tmp_path / "b", entities=PEOPLE[:2], pictures=settings))
        assert [(row["kept"], row["licence"], row["source"]) for row in found.values()] == [
            (False, "CC0", html),
            (True, "CC0", "me"),
            (True, "CC0", "me"),
            (False, "not stated", good[0]),
            (True, "not stated", good[3]),
        ]
        assert "is an HTML page" in found[f"{ZOE}/1.jpg"]["why"]
        assert site.asked == ["/h", "/0.jpg", "/1.jpg", "/0.jpg", "/3.jpg"]
        with pytest.raises(DataError, match="which is loopback"):
            make(context(tmp_path / "c", pictures=settings | {"allow_private": False}))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Web]:
    """A site with two pictures of Zoë and one of a marten, which a.csv lists; waits take no time."""
    with web() as site, VirtualTime().in_module(fetching):
        lines = [f"{ZOE},{site.page(f'/{n}.jpg', noise(n))}" for n in range(2)]
        lines.append(f"{MARTEN},{site.page('/2.jpg', noise(2))}")
        (tmp_path / "a.csv").write_text("\n".join(["entity,address", *lines]))
        yield site


SHOP = {"kind": "addresses", "file": "a.csv", "allow_private": True, "retries": 1}


def test_what_did_not_come_is_asked_for_again_by_the_same_command(
    tmp_path: Path, shop: Web
) -> None:
    ctx = context(tmp_path / "b", entities=PEOPLE[:2], pictures=SHOP)
    whole = context(tmp_path / "whole", entities=PEOPLE[:2], pictures=SHOP)
    make(whole)
    page = shop.pages["/0.jpg"]
    shop.page("/0.jpg", b"", status=503)
    found = make(ctx)
    assert [(row["kept"], row["may_pass"]) for row in found.values()] == [
        (False, True),
        (True, False),
        (True, False),
    ]
    shop.pages["/0.jpg"] = page
    (stage,) = (text for state, text in plan_stages(STAGES, ctx) if state.name == "pictures")
    assert stage == "fetch 1 pictures that did not come"
    shop.asked.clear()
    make(ctx)
    assert shop.asked == ["/0.jpg"]
    assert files(ctx.root) == files(whole.root)
    shop.asked.clear()
    make(ctx)
    assert shop.asked == []


def test_an_outage_is_an_error_that_names_who_vanished_and_passes(
    tmp_path: Path, shop: Web
) -> None:
    ctx = context(tmp_path / "b", entities=PEOPLE[:2], pictures=SHOP)
    page = shop.pages["/2.jpg"]
    shop.page("/2.jpg", b"", status=429, Retry_After="30")
    with pytest.raises(DataError) as error:
        make(ctx)
    assert str(error.value).startswith(
        f"1 of 2 entities have no picture: '{MARTEN}': was answered with status 429 (1)"
    )
    assert "Run the same command again, later" in str(error.value)
    shop.pages["/2.jpg"] = page
    shop.asked.clear()
    assert all(row["kept"] for row in make(ctx).values())
    assert shop.asked == ["/2.jpg"]


def test_a_picture_that_comes_late_repeats_none_that_was_kept(tmp_path: Path, shop: Web) -> None:
    ctx = context(tmp_path / "b", entities=PEOPLE[:2], pictures=SHOP)
    shop.page("/0.jpg", b"", status=500)
    make(ctx)
    shop.page("/0.jpg", noise(2))
    assert make(ctx)[f"{ZOE}/1.jpg"]["why"] == f"is a picture of {MARTEN} too"
    shop.page("/0.jpg", b"", status=500)


def test_what_is_gone_for_good_is_not_asked_for_again(tmp_path: Path, shop: Web) -> None:
    ctx = context(tmp_path / "b", entities=PEOPLE[:2], pictures=SHOP)
    shop.page("/0.jpg", b"", status=404)
    make(ctx)
    shop.asked.clear()
    make(ctx)
    assert shop.asked == []


def test_patience_and_contact_make_no_other_pictures(tmp_path: Path, shop: Web) -> None:
    make(context(tmp_path / "b", entities=PEOPLE[:2], pictures=SHOP))
    shop.asked.clear()
    more = {"retries": 9, "contact": "https://lab.example"}
    make(context(tmp_path / "b", entities=PEOPLE[:2], pictures=SHOP | more))
    assert shop.asked == []


def test_work_on_a_later_stage_is_not_endangered_by_a_late_picture(
    tmp_path: Path, shop: Web
) -> None:
    ctx = context(tmp_path / "b", entities=PEOPLE[:2], pictures=SHOP)
    later = replace(entities.STAGE, name="later", outputs=("later.txt",), needs=("pictures",))
    later = replace(later, make=lambda ctx: write_atomic(ctx.root / "later.txt", "ours") and None)
    shop.page("/0.jpg", b"", status=500)
    run_stages([*STAGES, later], ctx)
    (ctx.root / "later.txt").write_text("a person's")
    shop.page("/0.jpg", noise(0))
    states = run_stages([*STAGES, later], ctx)
    assert [state.status for state in states] == ["done", "done", "mended"]


def test_every_entity_keeps_a_picture_or_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / MARTEN).mkdir(parents=True)
    (root / MARTEN / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError) as error:
        make(context(tmp_path / "b", pictures={"kind": "folder", "root": "photos"}))
    assert f"2 of 3 entities have no picture: '{MARTEN}': is no JPEG, PNG or WebP (1)" in str(
        error.value
    )
    assert f"'{TOWER}', since there is none" in str(error.value)


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_folders_and_lists_may_be_in_either_unicode_form(
    tmp_path: Path, on_disk: Literal["NFC", "NFD"]
) -> None:
    name = unicodedata.normalize(on_disk, ZOE)
    path = tmp_path / "photos" / name / "é.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(noise(1))
    other = unicodedata.normalize("NFC" if on_disk == "NFD" else "NFD", ZOE)
    (tmp_path / "photos/licences.csv").write_text(f"file,licence\n{other}/é.jpg,CC0\n")
    found = make(of_zoe(tmp_path / "b", kind="folder", root="photos"))
    assert [(row["kept"], row["licence"]) for row in found.values()] == [(True, "CC0")]
    with web() as site:
        (tmp_path / "a.csv").write_text(
            f"entity,address\n{name},{site.page('/1.jpg', noise(1))}\n", encoding="utf-8"
        )
        settings = {"kind": "addresses", "file": "a.csv", "allow_private": True}
        assert [row["kept"] for row in make(of_zoe(tmp_path / "c", **settings)).values()] == [True]


def test_a_wrong_list_of_addresses_names_its_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        f"entity,address\nNo/body,http://a.example\n{ZOE},\n../../x,http://b.example\n"
    )
    with pytest.raises(DataError) as error:
        make(context(tmp_path / "b", pictures={"kind": "addresses", "file": "a.csv"}))
    assert all(
        text in str(error.value)
        for text in ("line 2 is of 'No/body'", "line 3 has no address", "line 4")
    )


def test_the_time_for_many_addresses_grows_with_their_number(tmp_path: Path) -> None:
    def work(count: int) -> None:
        keys = ("No/body", ZOE)
        lines = [f"{keys[n % 2]},https://a.example/{n}.jpg\n" for n in range(count)]
        (tmp_path / "a.csv").write_text("entity,address\n" + "".join(lines))
        root = Path(mkdtemp(dir=tmp_path))
        with pytest.raises(DataError, match=f"and {count // 2 - 20} more"):
            make(context(root, pictures={"kind": "addresses", "file": "a.csv"}))

    assert growth(work, 5000, 8) < 24


class KilledError(Exception):
    """Stands for a kill between two pictures."""


def test_the_bytes_are_the_same_wherever_it_was_stopped(tmp_path: Path) -> None:
    root = folder(tmp_path, **{f"{n}.jpg": noise(n % 4) for n in range(6)})
    settings = {"kind": "folder", "root": str(root)}
    make(of_zoe(tmp_path / "whole", **settings))
    for stop in range(1, 7):

        def progress(what: str, done: int, total: int, stop: int = stop) -> None:
            if done == stop:
                raise KilledError

        ctx = of_zoe(tmp_path / f"b{stop}", **settings)
        with pytest.raises(KilledError):
            run_stages(STAGES, Context(ctx.spec, ctx.base, ctx.root, progress=progress))
        stray = ctx.root / "pictures" / ZOE / ".9.jpg.1.tmp"
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_bytes(b"half")
        make(ctx)
        assert files(ctx.root) == files(tmp_path / "whole")


def test_a_changed_folder_is_read_again(tmp_path: Path) -> None:
    root = folder(tmp_path)
    ctx = of_zoe(tmp_path / "b", kind="folder", root="photos")
    assert len(make(ctx)) == 2
    (root / ZOE / "c.jpg").write_bytes(noise(9))
    assert len(make(ctx)) == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'"pictures/{ZOE}/1.jpg"', f'"pictures/{ZOE}/../../../1.jpg"'),
        (ZOE, "No/body"),
        ("1.jpg", "9.jpg"),
    ],
)
def test_mended_rows_are_checked(tmp_path: Path, old: str, new: str) -> None:
    ctx = context(tmp_path / "b", pictures={"per_entity": 1})
    make(ctx)
    path = ctx.root / "pictures.jsonl"
    path.write_text(path.read_text().replace(old, new))
    people = [EntityRow(key=key, cls=key.split("/")[0], name="x") for key in (ZOE, MARTEN, TOWER)]
    with pytest.raises(MlubenchError, match=r"no entity|does not lie in|not there"):
        pictures.load_pictures(ctx, people)
