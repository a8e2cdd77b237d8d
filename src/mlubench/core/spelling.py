"""One spelling for names however they are written, and files found however Unicode composes their names."""

import unicodedata
from pathlib import Path

# Letters of other scripts that look like Latin ones. Capitals are mapped before case folding, since a Greek capital and
# its small letter look like different Latin letters.
_LOOKS = {
    "АВЕКМНОРСТУХІЈЅԌԚԜҮ": "ABEKMHOPCTYXIJSGQWY",
    "авекмнорстухіјѕԁԛԝһѵӏү": "abekmhopctyxijsdqwhvly",
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ": "ABEZHIKMNOPTYX",
    "αβγεζηικμνορτυχωςϲ": "abyeznikmvoptuxwsc",
    "øłđħıŧƒɑɡɩʀѐ": "oldhitfagire",
}
_LETTERS = str.maketrans(
    {a: b for row, latin in _LOOKS.items() for a, b in zip(row, latin, strict=True)}
)
_LETTERS |= str.maketrans(
    {"æ": "ae", "œ": "oe", "Æ": "AE", "Œ": "OE", "þ": "th", "Ø": "O", "Ł": "L", "Đ": "D"}
)
# Signs that few fonts tell apart. `_` is how paths write a space.
_SIGNS = str.maketrans(dict.fromkeys("‘’ʼ`´′", "'") | dict.fromkeys("‐‑‒–—−", "-") | {"_": " "})
# Invisible, though Unicode has them among the accents: they choose how the sign before them is drawn, or join two.
_SELECTORS = frozenset(map(chr, (0x034F, *range(0xFE00, 0xFE10))))


def is_module_name(name: str) -> bool:
    """Whether Python could import a module of this name: words with dots between them, and no path."""
    return all(part.isidentifier() for part in name.split("."))


def plain_letters(text: str) -> str:
    """The text in lower case without differences of width, accents, invisible signs and look-alike letters."""
    return _folded(text, accents=False, look_alikes=True)


def name_keys(name: str) -> tuple[str, ...]:
    """Two names are one to whoever reads them if they share one of these keys.

    Case, width, spacing, invisible signs, the composition of letters and look-alike letters make no other name; an accent
    does. There are two keys: look-alike letters are only alike where a name mixes scripts, and a wholly Greek name in
    capitals would otherwise not be the same in small letters.
    """
    keys = []
    for look_alikes in (False, True):
        folded = _folded(name.translate(_SIGNS), accents=True, look_alikes=look_alikes)
        # Once more, since full-width signs are plain only now.
        keys.append(" ".join(folded.translate(_SIGNS).split()))
    return tuple(dict.fromkeys(keys))


def path_below(root: Path, path: str) -> Path:
    """Where `path` (with /) lies below `root`, also where the disk composes a name's letters in the other way.

    macOS and some archives write é as e and an accent, most else as one letter. Both are one name to a reader. What is not
    there at all is returned as it is written.
    """
    exact = root / path
    if path.isascii() or _exists(exact):
        return exact
    found = root
    for part in path.split("/"):
        found = _entry(found, part)
    return found if _exists(found) else exact


def _entry(folder: Path, name: str) -> Path:
    """The folder's entry of this name, in the spelling of the disk."""
    exact = folder / name
    if name.isascii() or _exists(exact):
        return exact
    wanted = unicodedata.normalize("NFC", name)
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except (OSError, ValueError):
        return exact
    for other in names:
        if unicodedata.normalize("NFC", other) == wanted:
            return folder / other
    return exact


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that this file system cannot hold
        return False


def _folded(text: str, *, accents: bool, look_alikes: bool) -> str:
    if text.isascii():  # most texts are, and need none of the tables
        return text.lower()
    composed = unicodedata.normalize("NFKC", text)
    visible = [c for c in composed if unicodedata.category(c) != "Cf" and c not in _SELECTORS]
    # Letters apart from their accents, so that the accents can be left out and the letters compared by their looks.
    letters = unicodedata.normalize("NFKD", "".join(visible))
    if not accents:
        letters = "".join(c for c in letters if not unicodedata.combining(c))
    if look_alikes:
        letters = letters.translate(_LETTERS)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", letters).casefold())
