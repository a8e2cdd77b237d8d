"""How methods look and are named, the same in every figure."""

# Okabe and Ito's colours, which colour-blind readers can tell apart; markers repeat the difference in shape.
# LUMoE is what the project offers, so it keeps the strongest blue; the rest may not borrow it.
# Each method's colour and marker.
STYLES = {
    "ga": ("#D55E00", "o"),
    "gd": ("#E69F00", "s"),
    "kl": ("#009E73", "^"),
    "npo": ("#CC79A7", "v"),
    "po": ("#56B4E9", "D"),
    "dpo": ("#8A7A00", "P"),
    "lumoe": ("#0072B2", "*"),
}
# For methods that others add, in the order of the run.
_OTHERS = (("#000000", "X"), ("#7F3C8D", "<"), ("#6B6B6B", ">"), ("#A05A2C", "p"))
# In characters: a longer name runs into its neighbour's at README width.
_LONGEST_NAME = 12


def style(method: str, methods: list[str]) -> tuple[str, str]:
    """Colour and marker: fixed for methods we know, so that figures of different runs can be compared."""
    if method in STYLES:
        return STYLES[method]
    others = [name for name in methods if name not in STYLES]
    return _OTHERS[others.index(method) % len(_OTHERS)]


def luminance(colour: str | tuple[float, ...]) -> float:
    """How bright a colour is, 0 to 1, as the contrast rule of WCAG 2 counts it."""
    from matplotlib.colors import to_rgb

    red, green, blue = map(_linear, to_rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    """How much light an sRGB channel stands for, both 0 to 1 (WCAG 2, "relative luminance")."""
    if channel <= 0.03928:
        return channel / 12.92
    lightness: float = ((channel + 0.055) / 1.055) ** 2.4
    return lightness


def ink(colour: str) -> tuple[float, ...]:
    """The colour, darkened until words in it can be read on white (contrast 4.5 to 1)."""
    from matplotlib.colors import to_rgb

    dark: tuple[float, ...] = to_rgb(colour)
    # White has luminance 1, and contrast is (1 + 0.05) / (luminance + 0.05): 0.18 gives just over 4.5.
    while luminance(dark) > 0.18:
        dark = tuple(0.93 * part for part in dark)
    return dark


def plain(text: str) -> str:
    """A name as it is written: no maths mode, nothing that cannot be printed, short enough for its place."""
    name = "".join(character for character in text if character.isprintable())
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 1]}…"
    # Between two dollars matplotlib would set the text as maths. Last, so that no backslash is cut from its dollar.
    return name.replace("$", r"\$")
