"""How many pictures of logos the picture gate misses at 1 to 1,000 requests, by pictures alone.

3,446 logos of simple-icons in new pictures each: 1,046 teach the metric, 500 set the threshold, 1,000 may be requested, 300
must stay, 600 are strangers; `--share` takes a part of each. A request has eight pictures, and is asked about with two
others. The encoder is EfficientNet-lite0, the tower of the real base, or a vision model in a folder. `--tune` first tunes
its last third on the logos that teach the metric. All of it takes a core half an hour.

    npm pack simple-icons
    python bench/logos.py simple-icons-16.37.0.tgz --json
    python bench/logos.py simple-icons-16.37.0.tgz --tune 20000 --json
"""

import argparse
import copy
import json
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

import logos_pictures
from gates_world import counted
from logos_pictures import Logos, open_logos
from mlubench.core.files import digest
from mlubench.data.background import Background
from mlubench.lumoe.gates.known import Known, SeenEntity
from mlubench.lumoe.gates.learned import learned_from
from mlubench.lumoe.gates.looks import view
from mlubench.lumoe.gates.risk import conformal_threshold
from mlubench.lumoe.gates.tuning import Tuning, tuned_folder
from mlubench.models.encoders import Encoder, folder_encoder, load_vision
from mlubench.models.quiet import quiet
from mlubench.models.real.assembly import own_vision
from mlubench.settings.gates import GateConfig

SIZES = (1, 10, 100, 1000)
# Sets of requests of each size; no logo is in two of them.
MOST_SETS = {1: 200, 10: 50, 100: 10, 1000: 1}
ALPHAS = (0.02, 0.01)
LEARN, TEST = 8, 2  # pictures of a logo
TEST_KEPT = 3
CHUNK = 512  # pictures that are drawn together


@dataclass(frozen=True, slots=True)
class Roles:
    """The numbers of the logos by what they are for."""

    teach: list[int]
    threshold: list[int]
    requested: list[int]
    kept: list[int]
    strangers: list[int]


@dataclass(frozen=True, slots=True)
class LogoBackground(Background):
    """Other things of which the first so many teach the metric."""

    taught: int = 0

    def teaching(self) -> list[str]:
        return list(self.things[: self.taught])

    def setting(self) -> list[str]:
        return list(self.things[self.taught :])


# A logo by its number, the number of a picture of it, whether it is a test picture, and the number of a view or 0.
Job = tuple[int, int, bool, int]


class Gallery:
    """Draws pictures of logos, by several processes."""

    def __init__(self, logos: Logos, workers: int) -> None:
        self.logos = logos
        self._pool = ProcessPoolExecutor(workers) if workers > 1 else None

    def pictures(self, jobs: Sequence[Job]) -> list[Image.Image]:
        draw = partial(_drawn, self.logos)
        if self._pool is None:
            return [draw(job) for job in jobs]
        return list(self._pool.map(draw, jobs, chunksize=32))

    def rows(self, encoder: Encoder, jobs: Sequence[Job]) -> Tensor:
        """What the encoder says of the pictures. (N, D)"""
        rows = []
        for start in range(0, len(jobs), CHUNK):
            rows.append(encoder(self.pictures(jobs[start : start + CHUNK])))
        return torch.cat(rows)


def _drawn(logos: Logos, job: Job) -> Image.Image:
    number, picture, test, look = job
    shown = logos_pictures.draw(logos, number, picture, test=test)
    return view(shown, f"{logos.names[number]}-{picture}", look) if look else shown


def roles(logos: int, seed: int, share: float = 1.0) -> Roles:
    """Deals the logos out; of each part a share."""
    order = random.Random(f"{seed}/logos").sample(range(logos), logos)
    parts = []
    start = 0
    for size in (1046, 500, 1000, 300, 600):
        parts.append(order[start : start + round(share * size)])
        start += size
    return Roles(*parts)


def rows(
    gallery: Gallery,
    parts: Roles,
    background: LogoBackground,
    encoder: Encoder,
    views: int,
    sizes: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """A row for each number of requests and each stated share of strangers."""
    learned = learned_from(background, encoder)

    def asked(numbers: Sequence[int], count: int) -> Tensor:
        """Test pictures in the metric. (logos, pictures, 1, D)"""
        jobs = [(number, picture, True, 0) for number in numbers for picture in range(count)]
        return learned.seen(gallery.rows(encoder, jobs)).unflatten(0, (-1, count))[:, :, None]

    def seen(numbers: Sequence[int]) -> dict[str, SeenEntity]:
        """The pictures of each logo with their views, in no guise."""
        jobs = []
        for number in numbers:
            for picture in range(LEARN):
                jobs += [(number, picture, False, look) for look in range(1 + views)]
        found = learned.seen(gallery.rows(encoder, jobs)).unflatten(0, (-1, LEARN, 1 + views))
        entities = [SeenEntity(of_logo, of_logo[:, :0]) for of_logo in found]
        return dict(zip(map(str, numbers), entities, strict=True))

    requests = seen(parts.requested)
    nobody = Known.nothing(learned)
    nobody.take({}, seen(parts.kept), {})
    of_requests = dict(zip(requests, asked(parts.requested, TEST), strict=True))
    of_kept = asked(parts.kept, TEST_KEPT).flatten(0, 1)
    of_strangers = asked(parts.strangers, TEST).flatten(0, 1)
    for size in sizes:
        counts = {alpha: _Counts() for alpha in ALPHAS}
        keys = list(requests)
        sets = [keys[start : start + size] for start in range(0, len(keys) - size + 1, size)]
        for some in sets[: MOST_SETS[size]]:
            known = copy.deepcopy(nobody)
            known.take({key: requests[key] for key in some}, {}, {key: key for key in some})
            for alpha, count in counts.items():
                threshold = conformal_threshold(known.stranger_scores(), alpha)
                count.add(known, threshold, of_requests, of_kept, of_strangers)
        for alpha, count in counts.items():
            shown = {"requests": size, "sets": len(sets[: MOST_SETS[size]]), "alpha": alpha}
            yield {**shown, **count.as_row(len(of_kept), len(of_strangers))}


def _background(gallery: Gallery, parts: Roles) -> LogoBackground:
    """Drawn beforehand by all processes, since whoever learns from it asks for one after another."""
    numbers = [*parts.teach, *parts.threshold]
    jobs = [(number, picture, False, 0) for number in numbers for picture in range(LEARN)]
    names = [gallery.logos.names[number] for number in numbers]
    number_of = dict(zip(names, numbers, strict=True))
    drawn: dict[tuple[str, int], Image.Image] = {}
    for (number, picture, _, _), shown in zip(jobs, gallery.pictures(jobs), strict=True):
        drawn[gallery.logos.names[number], picture] = shown

    def picture_of(name: str, picture: int) -> Image.Image:
        if picture < LEARN:
            return drawn[name, picture]
        return logos_pictures.draw(gallery.logos, number_of[name], picture, test=False)

    return LogoBackground(
        "other logos",
        digest([logos_pictures.VERSION, LEARN, names]),
        tuple(names),
        LEARN,
        picture_of,
        taught=len(parts.teach),
    )


@dataclass
class _Counts:
    """What is counted over all sets of one size."""

    forget: int = 0
    missed: int = 0
    wrong: int = 0
    kept: int = 0
    over: int = 0
    strangers: int = 0
    routed: int = 0
    foretold: float = 0.0  # missed pictures, were the forecasts right

    def add(
        self,
        known: Known,
        threshold: float,
        of_requests: Mapping[str, Tensor],
        of_kept: Tensor,
        of_strangers: Tensor,
    ) -> None:
        pictures = torch.cat([of_requests[key] for key in known.entities])
        scores = known.scores(pictures)
        owner = torch.arange(len(known.entities)).repeat_interleave(TEST)
        reached = scores.values[:, 0] > threshold
        right = reached & (scores.numbers[:, 0] == owner)
        self.forget += len(owner)
        self.missed += int((~right).sum())
        self.wrong += int((reached & ~right).sum())
        self.kept += len(of_kept)
        self.over += int((known.scores(of_kept).highest > threshold).sum())
        self.strangers += len(of_strangers)
        self.routed += int((known.scores(of_strangers).highest > threshold).sum())
        leaks = [forecast.leak or 0.0 for forecast in known.forecasts(threshold).values()]
        self.foretold += TEST * sum(leaks)

    def as_row(self, kept: int, strangers: int) -> dict[str, Any]:
        """All sets share what must stay and the strangers, whose pictures count once in an interval."""
        return {
            **counted("leak", self.missed, self.forget),
            **counted("wrong", self.wrong, self.forget),
            **counted("over", self.over, self.kept, kept),
            **counted("strangers", self.routed, self.strangers, strangers),
            "foretold": round(self.foretold / self.forget, 4),
        }


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    logos = open_logos(args.package)
    gallery = Gallery(logos, args.workers)
    parts = roles(len(logos.names), args.seed, 0.1 if args.quick else args.share)
    sizes = [size for size in SIZES if size <= len(parts.requested)]
    background = _background(gallery, parts)
    encoder = _encoder(args, background)
    name = "tower" if args.encoder is None else args.encoder.name
    setting = {"encoder": name, "tuned": args.tune, "seed": args.seed, "views": args.views}
    found = []
    for row in rows(gallery, parts, background, encoder, args.views, sizes):
        found.append({**setting, **row})
    return found


def _encoder(args: argparse.Namespace, background: LogoBackground) -> Encoder:
    vision = own_vision() if args.encoder is None else load_vision(args.encoder)
    if args.tune == 0:
        return vision.encoder()
    with tempfile.TemporaryDirectory() as folder:
        out = args.out or Path(folder) / "tuned"
        tuned_folder(vision, background, Tuning(args.tune, seed=args.seed), out)
        return folder_encoder(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path, help="simple-icons as npm packs it")
    parser.add_argument("--seed", type=int, default=0, help="deals the logos out anew")
    parser.add_argument("--views", type=int, default=GateConfig().views, help="gates.views")
    parser.add_argument("--encoder", type=Path, help="gates.encoder")
    parser.add_argument(
        "--tune", type=int, default=0, metavar="PICTURES", help="tune on so many pictures first"
    )
    parser.add_argument("--out", type=Path, help="keep the tuned model there")
    parser.add_argument("--share", type=float, default=1.0, help="of all logos")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tenth of the logos")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    found = measure(args)
    if args.json:
        print(json.dumps(found))
        return
    keys = [key for key in found[0] if not key.endswith(("_n", "_ci95"))]
    table = Table(*keys)
    for row in found:
        table.add_row(*(str(row[key]) for key in keys))
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
