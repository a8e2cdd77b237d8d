"""How methods look and are named, the same in every figure."""

# Okabe and Ito's colours, which colour-blind readers can tell apart; markers repeat the difference in shape.
# LUMoE is what the project offers, so it keeps the strongest blue; the rest may not borrow it.
STYLES = {
    "ga": ("#D55E00", "o"),
    "gd": ("#E69F00", "s"),
    "kl": ("#009E73", "^"),
    "npo": ("#CC79A7", "v"),
    "po": ("#56B4E9", "D"),
    "dpo": ("#8A7A00", "P"),
    "lumoe": ("#0072B2", "*"),
}
_OTHERS = (("#000000", "X"), ("#7F3C8D", "<"), ("#6B6B6B", ">"), ("#A05A2C", "p"))
_LONGEST = 12


def style(method: str, methods: list[str]) -> tuple[str, str]:
    """Colour and marker: fixed for methods we know, so that figures of different runs can be compared."""
    if method in STYLES:
        return STYLES[method]
    others = [name for name in methods if name not in STYLES]
    return _OTHERS[others.index(method) % len(_OTHERS)]


def luminance(colour: str | tuple[float, ...]) -> float:
    """How bright a colour is, 0 to 1, as the contrast rule of WCAG 2 counts it."""
    from matplotlib.colors import to_rgb

    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink(colour: str) -> tuple[float, ...]:
    """The colour, darkened until words in it can be read on white (contrast 4.5 to 1)."""
    from matplotlib.colors import to_rgb

    dark: tuple[float, ...] = to_rgb(colour)
    while luminance(dark) > 0.18:
        dark = tuple(0.93 * part for part in dark)
    return dark


def plain(text: str) -> str:
    """A name as it is written: no maths mode, nothing that cannot be printed, short enough for its place."""
    kept = "".join(c for c in text if c.isprintable())
    short = kept if len(kept) <= _LONGEST else f"{kept[: _LONGEST - 1]}…"
    return short.replace("$", r"\$")
