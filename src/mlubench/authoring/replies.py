"""What models replied, kept by what they were asked: no question is paid for twice, whatever is built anew around it."""

from pathlib import Path

from mlubench.authoring.parts import Parts
from mlubench.authoring.rows import Row, read_rows, write_rows
from mlubench.authoring.spec import AnswersSpec
from mlubench.authoring.stages import Asked, Context
from mlubench.core.files import digest, file_sha256

FILE = "replies.jsonl"


class ReplyRow(Row):
    """`asked` hashes model, prompt, picture and what else a reply depends on; entity and question are for people."""

    identity = ("asked",)
    asked: str
    entity: str
    question: str
    text: str


class Replies:
    """Replies of earlier builds in `replies.jsonl`, and those of a stage under way in the .part file of its output."""

    def __init__(self, ctx: Context, output: str) -> None:
        self._settings, self._file, self._output = (
            ctx.spec.answers,
            ctx.root / FILE,
            ctx.root / output,
        )
        self._kept = (
            {row.asked: row for row in read_rows(self._file, ReplyRow)}
            if self._file.is_file()
            else {}
        )
        self._parts: Parts[ReplyRow] | None = None
        self._pictures: dict[Path, str] = {}

    def begin(self) -> None:
        """From here on replies may come in. What a killed build had asked is there again."""
        self._parts = Parts(
            self._output, ReplyRow, FILE
        )  # one stamp for all inputs: `asked` knows them
        self._kept |= {row.asked: row for row in self._parts.rows.values()}

    def text(self, asked: Asked) -> str | None:
        row = self._kept.get(self._key(asked))
        return row.text if row else None

    def add(self, asked: Asked, entity: str, question: str, text: str) -> None:
        assert self._parts is not None, "begin comes first"
        row = ReplyRow(asked=self._key(asked), entity=entity, question=question, text=text)
        self._parts.add(row)
        self._kept[row.asked] = row

    def end(self) -> None:
        assert self._parts is not None, "begin comes first"
        write_rows(self._file, [self._kept[key] for key in sorted(self._kept)])
        self._parts.end()

    def _key(self, asked: Asked) -> str:
        settings: AnswersSpec = self._settings
        picture = None
        if asked.picture is not None:
            if asked.picture not in self._pictures:
                self._pictures[asked.picture] = file_sha256(asked.picture)
            picture = [self._pictures[asked.picture], settings.max_side]
        return digest([settings.model, settings.max_tokens, asked.prompt, picture], 32)
