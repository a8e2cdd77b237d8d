"""Things that nobody asked to forget: a gate learns from their pictures what tells things apart, and how strangers look.

The drawn world gives any number of them, the real benchmark the half of its other things that a base learns to decline.
Whoever has photographs of their own names a folder of others. Strangers that a gate is measured on are never among them.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from mlubench.core.errors import UsageError
from mlubench.core.files import digest
from mlubench.data.check_pictures import picture_problem
from mlubench.data.pictures import content_hash, open_picture, stamp
from mlubench.data.real.entities import open_shipped
from mlubench.data.real.strangers import stranger_facts, taught_strangers
from mlubench.data.real.views import SIZE, WHITE, draw_view, ground_of, is_drawn, whole_view
from mlubench.data.render import RENDERER_VERSION, render
from mlubench.data.same_pictures import Look, look_at, look_at_all, same_pictures, shown_among
from mlubench.data.strangers import SUFFIXES
from mlubench.types import Background as Source
from mlubench.types import Entity

# Of the drawn world: how many things, and pictures of each.
DRAWN = 1000
DRAWN_PICTURES = 4
# Views of each picture of a photographed thing.
VIEWS = 10
# Of ten things so many teach the gate; the others set its threshold. Of few things, most are needed to teach.
TEACH_OF_MANY = 3
TEACH_OF_FEW = 6
MANY = 500
# A folder with fewer pictures sets no threshold that could be stated.
FEWEST = 20


@dataclass(frozen=True, slots=True)
class Background:
    """Things, each with the same number of pictures."""

    # What they are, for people.
    name: str
    # Changes with every pixel.
    id: str
    things: tuple[str, ...]
    pictures: int
    # A thing and the number of its picture -> the picture.
    picture: Callable[[str, int], Image.Image]
    # How the files of a user's folder look, which might show what is to be forgotten. Things of ours do not.
    looks: tuple[Look, ...] = ()

    def teaching(self) -> list[str]:
        """The things that teach what tells things apart."""
        count = len(self.things)
        return [thing for number, thing in enumerate(self.things) if _teaches(number, count)]

    def setting(self) -> list[str]:
        """The things that set the threshold."""
        count = len(self.things)
        return [thing for number, thing in enumerate(self.things) if not _teaches(number, count)]

    def pictures_of(self, things: Sequence[str]) -> list[Image.Image]:
        """All pictures of these things, one thing behind the other."""
        return [self.picture(thing, n) for thing in things for n in range(self.pictures)]

    def also_show(self, pictures: Sequence[Path]) -> int:
        """How many of these pictures a user's folder holds too. Raises UnusablePictureError."""
        if not self.looks:
            return 0
        return sum(shown_among([look_at(path) for path in pictures], self.looks))


def open_background(source: Source, folder: Path | None) -> Background | None:
    """The user's folder where one is named, else what comes with the benchmark; None where nothing does.

    Raises UsageError for a folder that cannot be used.
    """
    if folder is not None:
        return folder_background(folder)
    if source == "drawn":
        return drawn_background()
    if source == "real":
        return real_background()
    return None


def count_teaching(source: Source, folder: Path | None) -> int:
    """How many things would teach, counted without a look at any picture; 0 where there is no background.

    Copies in a user's folder are counted too. Raises UsageError for one that holds too few pictures.
    """
    if folder is not None:
        things = len(_files_in(folder))
        _require_enough(folder, things, copies=0)
    elif source == "drawn":
        things = DRAWN
    else:
        things = len(taught_strangers()) if source == "real" else 0
    return sum(_teaches(number, things) for number in range(things))


def _teaches(number: int, things: int) -> bool:
    """Whether the thing of that number teaches, of so many."""
    of_ten = TEACH_OF_MANY if things >= MANY else TEACH_OF_FEW
    # Spread over all, as neighbours may be of one kind.
    return number * of_ten % 10 < of_ten


def drawn_background(things: int = DRAWN) -> Background:
    """Invented entities with drawn emblems. No world, stranger or test has their names."""
    names = tuple(f"Background/Thing_{number}" for number in range(things))
    facts = {"names": names, "pictures": DRAWN_PICTURES, "render": RENDERER_VERSION}
    return Background("drawn things", digest(facts), names, DRAWN_PICTURES, _drawn)


def _drawn(thing: str, number: int) -> Image.Image:
    return render(thing, f"background_{number:04d}.jpg")


def real_background() -> Background:
    """The things of the real benchmark that its base learns to decline, in views of their one picture."""
    names = tuple(entity.key for entity in taught_strangers())
    facts = {"names": names, "pictures": VIEWS, "real": stranger_facts()}
    return Background("other shipped things", digest(facts), names, VIEWS, _real)


def _real(thing: str, number: int) -> Image.Image:
    cls = Entity.from_key(thing).cls
    shown = open_shipped(f"{thing}/photo_1.webp")
    if number == 0:
        return whole_view(shown, SIZE, ground_of(cls))
    rng = random.Random(f"background/{thing}/{number}")
    return draw_view(shown, SIZE, ground_of(cls), rng, may_mirror=not is_drawn(cls))


def folder_background(folder: Path) -> Background:
    """The pictures below a folder, each taken for a thing of its own. They must show nothing that is to be forgotten.

    Of several files that show one picture the first counts: as two things, each would be a stranger that is as like the
    other as nothing else is, and a threshold set on such would let most requests through to the base.
    Raises UsageError for a folder that is absent, holds too few pictures, or one that cannot be used.
    """
    files = _files_in(folder)
    _require_enough(folder, len(files), copies=0)
    for path in files.values():
        problem = picture_problem(path, whole=False)
        if problem is not None:
            raise UsageError(f"{path} {problem}", "Replace it, or take it out of the folder.")
    looks = _looks(folder, tuple((name, stamp(path)) for name, path in files.items()))
    copies = set()
    for group in same_pictures(looks):
        copies.update(group[1:])
    files = {name: path for name, path in files.items() if name not in copies}
    _require_enough(folder, len(files), len(copies))

    def picture(thing: str, number: int) -> Image.Image:
        shown = open_picture(files[thing])
        if number == 0:
            return whole_view(shown, SIZE, WHITE)
        rng = random.Random(f"background/{thing}/{number}")
        return draw_view(shown, SIZE, WHITE, rng, may_mirror=False)

    facts = {"pictures": [content_hash(path) for path in files.values()], "views": VIEWS}
    left_out = f" ({len(copies)} copies of others among them left out)" if copies else ""
    return Background(
        f"pictures in {folder.name}{left_out}",
        digest(facts),
        tuple(files),
        VIEWS,
        picture,
        tuple(looks.values()),
    )


def _files_in(folder: Path) -> dict[str, Path]:
    """The pictures below a folder, by their names in it."""
    files: dict[str, Path] = {}
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                files[str(path.relative_to(folder))] = path
    return files


def _require_enough(folder: Path, pictures: int, copies: int) -> None:
    if pictures < FEWEST:
        held = f"{pictures} pictures" if not copies else f"{pictures} different pictures"
        raise UsageError(
            f"{folder} holds {held}, and a background needs {FEWEST}",
            "Give a folder of pictures of other things: gates.background.",
        )


# A gate is fitted after each task, and once for each report: the files are decoded once.
@lru_cache(maxsize=4)
def _looks(folder: Path, files: tuple[tuple[str, tuple[int, int]], ...]) -> dict[str, Look]:
    """How the files of a folder look, by their names and stamps."""
    return look_at_all(folder, [name for name, _ in files])
