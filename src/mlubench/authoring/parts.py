"""What a long stage has made so far, row by row, so that a kill at any point costs one row."""

import json
import os
from pathlib import Path
from typing import Generic

from mlubench.authoring.rows import R, line


def parts_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.part")


class Parts(Generic[R]):
    """Rows of an output under way, in `<output>.part`. Its first line is `stamp`: what was made of other inputs is dropped.

    `rows` holds what is there, by identity. The stage writes the output from it in an order of its own, then calls `end`.
    The runner removes the file, once it has noted that the stage is finished.
    """

    def __init__(self, output: Path, kind: type[R], stamp: str) -> None:
        self.path = parts_of(output)
        self.rows: dict[tuple[str, ...], R] = {}
        head = json.dumps({"stamp": stamp}).encode() + b"\n"
        old = self.path.read_bytes() if self.path.is_file() else b""
        whole = old[: old.rfind(b"\n") + 1]  # the last line may have been cut
        kept = whole.startswith(head)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("r+b" if kept else "wb")
        if kept:
            self._file.truncate(len(whole))
            self._file.seek(0, os.SEEK_END)
        else:
            self._file.write(head)
        self._file.flush()
        for text in whole[len(head) :].split(b"\n") if kept else []:
            if text:
                row = kind.model_validate(json.loads(text))
                self.rows[row.id_] = row

    def add(self, row: R) -> None:
        self.rows[row.id_] = row
        self._file.write(line(row).encode())
        self._file.flush()

    def end(self) -> None:
        self._file.close()
