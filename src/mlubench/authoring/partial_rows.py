"""What a long stage has made so far, row by row, so that a kill at any point costs one row."""

import json
import os
from pathlib import Path
from typing import BinaryIO, Generic

from mlubench.authoring.rows import R, row_line


def partial_file(output: Path) -> Path:
    return output.with_name(f"{output.name}.part")


class PartialRows(Generic[R]):
    """Rows of an output under way, in `<output>.part`.

    The first line is `stamp`, the hash of the inputs: rows that were made from other inputs are
    dropped. `rows` holds what is there, by identity. The stage writes its output from them in an
    order of its own and then calls `close`. The runner removes the file once build.json says that
    the stage is finished.
    """

    def __init__(self, output: Path, row_type: type[R], stamp: str) -> None:
        self.path = partial_file(output)
        self.rows: dict[tuple[str, ...], R] = {}
        head = json.dumps({"stamp": stamp}).encode() + b"\n"
        whole = _whole_lines(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = whole.startswith(head)
        self._file: BinaryIO = self.path.open("r+b" if kept else "wb")
        if kept:
            # The next row would otherwise be glued to the rest of a cut one.
            self._file.truncate(len(whole))
            self._file.seek(0, os.SEEK_END)
            for line in whole.splitlines()[1:]:
                row = row_type.model_validate(json.loads(line))
                self.rows[row.id_] = row
        else:
            self._file.write(head)
            self._file.flush()

    def add(self, row: R) -> None:
        self.rows[row.id_] = row
        self._file.write(row_line(row).encode())
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _whole_lines(path: Path) -> bytes:
    """The file up to its last newline: a kill may have cut the line after it."""
    if not path.is_file():
        return b""
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1]
