"""Takes a candidate: gets it, has it decoded, and keeps it unless it repeats another picture."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mlubench.authoring.pictures.addresses import NothingYetError, RefusedError
from mlubench.authoring.pictures.decoding import Decoder, UnreadableFileError, read_plain_file
from mlubench.authoring.pictures.fetching import Fetcher
from mlubench.authoring.pictures.sources import Candidate
from mlubench.authoring.pictures.worker import PictureReport, encoded
from mlubench.authoring.rows import PictureRow
from mlubench.authoring.stage import Context
from mlubench.core.files import write_atomic
from mlubench.data.render import render


class PictureTaker:
    """Takes candidates one after another, and remembers what was kept, to tell repeated ones."""

    def __init__(self, ctx: Context, decoder: Decoder) -> None:
        self._ctx = ctx
        self._decoder = decoder
        self._settings = ctx.spec.pictures
        self._fetcher = Fetcher(ctx.spec.pictures)
        self._owners: dict[str, str] = {}  # hash of a kept file -> its entity

    def remember(self, row: PictureRow) -> None:
        if row.kept:
            self._owners.setdefault(row.sha256, row.entity)

    def take(
        self, key: str, file: str, candidate: Candidate, kept: Sequence[PictureRow]
    ) -> PictureRow:
        """The candidate's row; where it is kept, its file is written.

        `kept` are the entity's other pictures.
        """
        origin = {
            "entity": key,
            "file": file,
            "source": candidate.source,
            "licence": candidate.licence,
        }
        try:
            report, jpeg = self._picture(key, candidate)
        except (RefusedError, UnreadableFileError) as error:
            may_pass = isinstance(error, NothingYetError)
            return PictureRow.model_validate(
                {**origin, "kept": False, "why": str(error), "may_pass": may_pass}
            )
        if not jpeg:
            return PictureRow.model_validate({**origin, **report, "kept": False})
        sha256 = hashlib.sha256(jpeg).hexdigest()
        row = PictureRow.model_validate({**origin, **report, "kept": True, "sha256": sha256})
        repeated = self._repeats(row, kept)
        if repeated:
            return row.model_copy(update={"kept": False, "why": repeated})
        write_atomic(self._ctx.root / file, jpeg)
        return row

    def _picture(self, key: str, candidate: Candidate) -> tuple[PictureReport, bytes]:
        origin = candidate.origin
        if self._settings.kind == "render":
            # Drawn here, so there is no stranger's file to decode in a process of its own.
            return encoded(render(key, str(origin), size=self._settings.size))
        if isinstance(origin, Path):
            data = read_plain_file(origin, self._settings.max_bytes)
        else:
            data = self._fetcher.fetch(origin)
        return self._decoder.decode(data)

    def _repeats(self, row: PictureRow, kept: Sequence[PictureRow]) -> str | None:
        """What it repeats, if anything: the same bytes anywhere, or one near it of its entity."""
        owner = self._owners.get(row.sha256)
        if owner:
            return "is there already" if owner == row.entity else f"is a picture of {owner} too"
        phash = int(row.phash, 16)
        for other in kept:
            differing_bits = (int(other.phash, 16) ^ phash).bit_count()
            if differing_bits <= self._settings.near:
                return f"is nearly {other.file}"
        return None
