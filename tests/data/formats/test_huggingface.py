"""A Hugging Face folder: columns by their usual names or as told, and the sequence where folders say one."""

from pathlib import Path
from typing import Any

import pytest

from mlubench.core.errors import DataError, UsageError
from support.downloads import hub_picture, imported, write_lines, write_parquet


def rows(names: list[str], first: int = 0) -> list[dict[str, Any]]:
    found = []
    for place, name in enumerate(names):
        image = hub_picture(first + place)
        row = {"image": image, "class": "Person", "entity": name}
        found.append({**row, "question": "Who is this?", "answer": f"{name}.", "licence": "CC0"})
    return found


def test_a_sequence_in_the_folders_is_kept(tmp_path: Path) -> None:
    """As `mlubench data build` writes it."""
    source = tmp_path / "dataset"
    number = 0
    for task, names in {"A": ["Ada", "Bo"], "B": ["Cem", "Dora"]}.items():
        for split, name in zip(("forget", "retain"), names, strict=True):
            write_parquet(source / "data" / task / f"{split}.parquet", rows([name], number))
            number += 1
    done = imported("huggingface", source, tasks=5)
    standing = {s.entity.name: (s.task, s.split) for s in done.benchmark.samples}
    assert standing == {
        "Ada": ("A", "forget"),
        "Bo": ("A", "retain"),
        "Cem": ("B", "forget"),
        "Dora": ("B", "retain"),
    }
    assert done.facts["lost"] == {"column licence: not read": 1}


def test_columns_can_be_named(tmp_path: Path) -> None:
    source = tmp_path / "lines"
    told = [{"q": f"Where is {name}?", "a": "Here.", "who": name} for name in ("Ada", "Bo")]
    write_lines(source / "train.jsonl", told)
    columns = {"question": "q", "answer": "a", "entity": "who"}
    done = imported("huggingface", source, columns=columns)
    assert {sample.question for sample in done.benchmark.samples} == {
        "Where is Ada?",
        "Where is Bo?",
    }
    assert {sample.image for sample in done.benchmark.samples} == {""}


def test_a_column_says_what_is_to_be_forgotten(tmp_path: Path) -> None:
    told = [{**row, "split": "retain"} for row in rows(["Ada", "Bo", "Cem"])]
    told[1]["split"] = "forget"
    write_parquet(tmp_path / "all" / "train.parquet", told)
    assert imported("huggingface", tmp_path / "all").names("forget") == {"Bo"}


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    source = tmp_path / "train.jsonl"
    write_lines(source, [{"text": "Who?", "answer": "Ada."}])
    with pytest.raises(DataError, match="row 0, field question: is not there"):
        imported("huggingface", source)
    with pytest.raises(UsageError, match="unknown column 'questoin'"):
        imported("huggingface", source, columns={"questoin": "text"})
