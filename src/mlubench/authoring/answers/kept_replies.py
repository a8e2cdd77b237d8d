"""What models replied, kept by what they were asked: no question is paid for twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlubench.authoring.partial_rows import PartialRows
from mlubench.authoring.rows import Row, read_rows, write_rows
from mlubench.authoring.stage import Context, Prompt
from mlubench.core.files import digest, file_sha256
from mlubench.core.reply_text import spoken

FILE = "replies.jsonl"


class ReplyRow(Row):
    """One reply."""

    identity = ("asked",)
    asked: str  # a hash of model, prompt, picture and what else a reply depends on
    entity: str  # for people to read
    question: str  # likewise
    text: str


class KeptReplies:
    """Replies of earlier builds in `replies.jsonl`, and those that come in while it is open.

    The latter are in the partial file of the stage's `output` until the stage has all.
    """

    def __init__(self, ctx: Context, output: str) -> None:
        self._settings = ctx.spec.answers
        self._file = ctx.root / FILE
        self._output = ctx.root / output
        self._partial: PartialRows[ReplyRow] | None = None
        self._picture_hashes: dict[Path, str] = {}
        self._rows: dict[str, ReplyRow] = {}
        if self._file.is_file():
            self._rows = {row.asked: row for row in read_rows(self._file, ReplyRow)}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Replies may be added inside. What a killed build had been told is there again."""
        # The stamp never changes, whatever the inputs: a reply says by itself what it depends on.
        self._partial = PartialRows(self._output, ReplyRow, FILE)
        for row in self._partial.rows.values():
            self._rows[row.asked] = row
        try:
            yield
            # Not after an exception: the partial file stays and the next build takes it over.
            write_rows(self._file, [self._rows[key] for key in sorted(self._rows)])
        finally:
            self._partial.close()

    def text(self, prompt: Prompt) -> str | None:
        """The reply to a prompt, or None where there is none yet."""
        row = self._rows.get(self._key(prompt))
        if row is None:
            return None
        # Earlier versions kept thinking too. Where that was all, the question is asked again.
        return spoken(row.text) or None

    def add(self, prompt: Prompt, entity: str, question: str, text: str) -> None:
        assert self._partial is not None, "open comes first"
        row = ReplyRow(asked=self._key(prompt), entity=entity, question=question, text=text)
        self._partial.add(row)
        self._rows[row.asked] = row

    def _key(self, prompt: Prompt) -> str:
        picture = None
        if prompt.picture is not None:
            picture = [self._picture_hash(prompt.picture), self._settings.max_side]
        depends_on = [self._settings.model, self._settings.max_tokens, prompt.text, picture]
        return digest(depends_on, 32)

    def _picture_hash(self, path: Path) -> str:
        """Hashed once: many questions show the same picture."""
        if path not in self._picture_hashes:
            self._picture_hashes[path] = file_sha256(path)
        return self._picture_hashes[path]
