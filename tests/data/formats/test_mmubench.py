"""MMUBench: a folder of pictures for each concept."""

from pathlib import Path

import pytest

from mlubench.core.errors import DataError, UsageError
from mlubench.data.formats.mmubench import QUESTIONS
from support.downloads import imported, picture


@pytest.fixture
def source(tmp_path: Path) -> Path:
    number = 0
    for name in ("Ada Winter", "Big_Duck", "Old Mill"):
        for _ in range(6):
            path = tmp_path / "MMUBench" / name / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(number, "jpeg"))
            number += 1
    return tmp_path / "MMUBench"


def test_each_picture_is_asked_who_it_is(source: Path) -> None:
    done = imported("mmubench", source, forget_per_task=1)
    asked = done.asked("Big_Duck")
    assert len(asked) == 6 * len(QUESTIONS)
    assert {sample.truth for sample in asked} == {"This is Big Duck."}
    assert len({sample.fact for sample in asked}) == 1
    assert {sample.role for sample in asked} == {"fit", "calibrate", "test"}
    assert len(done.names("forget")) == 1


def test_too_few_concepts_for_the_tasks_are_refused(source: Path) -> None:
    with pytest.raises(DataError, match="0 entities to keep, and 3 tasks need 3"):
        imported("mmubench", source, tasks=3)


def test_what_is_no_picture_is_named(source: Path) -> None:
    (source / "Big_Duck" / "wrong.jpg").write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=r"wrong\.jpg row 6, field file: the picture is a GIF"):
        imported("mmubench", source)


def test_a_folder_without_concepts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no folders of pictures"):
        imported("mmubench", tmp_path)
