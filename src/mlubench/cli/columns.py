"""Aligned columns and sizes, as the plans of runs print them."""

from collections.abc import Iterator

# Stands for a number that nobody can say beforehand.
UNKNOWN = "?"


def table(columns: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Lines of aligned columns: names on the left, numbers on the right."""
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *numbers in lines:
        cells = [f"{first:<{widths[0]}}"]
        for number, width in zip(numbers, widths[1:], strict=True):
            cells.append(f"{number:>{width}}")
        yield "  " + "  ".join(cells)


def size(count: int | None) -> str:
    """Bytes in the largest binary unit of which there is at least one; a question mark for what is not known."""
    if count is None:
        return UNKNOWN
    if count < 1024:
        return f"{count} B"
    value = float(count)
    unit = "B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):  # noqa: B007 - the last one reached is shown
        value /= 1024
        if value < 1024:
            break
    return f"{value:.1f} {unit}"
