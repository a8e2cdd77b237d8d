"""MMUBench (arXiv 2405.12523): concepts that a model recognises by sight, with fifty pictures and more of each.

The paper describes a folder of pictures for each concept; its questions are in a supplement that is not public. So the
questions are ours, and each is answered by the concept's name.
"""

from collections.abc import Iterator
from pathlib import Path

from mlubench.core.errors import UsageError
from mlubench.data.formats.item import ImportOptions, Item, Notes, Picture, Place

CLASS = "Concept"
QUESTIONS = (
    "Who or what is shown in this picture?",
    "What is the name of the subject of this image?",
    "Can you identify who or what this is?",
)
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def read(source: Path, options: ImportOptions, notes: Notes) -> Iterator[Item]:
    """Each picture of each concept, asked in our words."""
    concepts = _concepts(source)
    if not concepts:
        raise UsageError(
            f"{source} holds no folders of pictures", "Give the folder with one folder a concept."
        )
    notes.assume("the questions are ours: " + " ".join(QUESTIONS))
    notes.assume("one picture of each concept trains in the original, a share of them here")
    for folder, files in concepts.items():
        name = folder.name.replace("_", " ")
        for number, path in enumerate(files):
            for question in QUESTIONS:
                picture = Picture(path, "file")
                yield Item(Place(path, number), CLASS, name, question, f"This is {name}.", picture)


def _concepts(source: Path) -> dict[Path, list[Path]]:
    """The folders with pictures in them, in order."""
    found: dict[Path, list[Path]] = {}
    if not source.is_dir():
        return found
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        files = [path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES]
        if files and not folder.name.startswith("."):
            found[folder] = sorted(files)
    return found
