"""What a long stage has made so far, row by row, so that a kill at any point costs one row."""

from collections.abc import Iterable
from pathlib import Path
from typing import Generic

from mlubench.authoring.rows import R, row_line
from mlubench.core import lines
from mlubench.core.reading import of_shape


def partial_file(output: Path) -> Path:
    return output.with_name(f"{output.name}.part")


class PartialRows(Generic[R]):
    """Rows of an output under way, in `<output>.part`.

    The first line is `stamp`, the hash of the inputs: rows that were made from other inputs are
    dropped. `rows` holds what is there, by identity. The stage writes its output from them in an
    order of its own and then calls `close`. The runner removes the file once build.json says that
    the stage is finished.
    """

    def __init__(
        self, output: Path, row_type: type[R], stamp: str, earlier: Iterable[R] = ()
    ) -> None:
        """`earlier` are rows of a finished output from the same inputs, to begin with."""
        self.path = partial_file(output)
        self.rows: dict[tuple[str, ...], R] = {}
        head = {"stamp": stamp}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The next row would otherwise be glued to the rest of a cut one.
        lines.mend(self.path)
        found = lines.read_lines(self.path)
        if found and found[0] == head:
            for number, line in enumerate(found[1:], 2):
                row = of_shape(line, row_type, f"{self.path}, row {number}")
                self.rows[row.id_] = row
        else:
            self.rows = {row.id_: row for row in earlier}
            texts = [row.model_dump(mode="json") for row in self.rows.values()]
            lines.write_lines(self.path, [head, *texts])
        self._file = self.path.open("a", encoding="utf-8")

    def add(self, row: R) -> None:
        self.rows[row.id_] = row
        self._file.write(row_line(row))
        self._file.flush()

    def close(self) -> None:
        self._file.close()
