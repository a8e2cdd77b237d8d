"""Puts a figure into a page as inline SVG: the same bytes each time, and ids that no other figure on the page uses."""

import io
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
# The fonts that matplotlib measured with, then one of the same widths, then whatever the reader has.
_FONTS = "'DejaVu Sans', Verdana, sans-serif"
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def inline_svg(figure: "Figure", prefix: str, alt: str) -> str:
    """`<svg>` markup for an HTML page. `prefix` goes before every id, `alt` is what a screen reader says.

    Letters stay letters: smaller than drawn outlines, and they can be searched and copied.
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": prefix, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata=_METADATA, facecolor="none")
    root = ET.fromstring(buffer.getvalue())
    _rename(root, prefix)
    _tidy(root)
    root.set("role", "img")
    root.set("aria-label", alt)
    return _markup(root)


def _rename(root: ET.Element, prefix: str) -> None:
    """Prefix the ids that something points to, and drop the others."""
    pairs = [(element, key) for element in root.iter() for key in element.attrib]
    used = {target for element, key in pairs if (target := _target(key, element.attrib[key]))}
    for element, key in pairs:
        value = element.attrib[key]
        if key == "id":
            if value in used:
                element.set(key, f"{prefix}-{value}")
            else:
                del element.attrib[key]
        elif target := _target(key, value):
            element.set(key, value.replace(f"#{target}", f"#{prefix}-{target}"))


def _target(key: str, value: str) -> str:
    """The id that a link (`#id`) or a style (`url(#id)`) points to; a colour such as `#e6e6e6` is no link."""
    if key in ("href", f"{{{_XLINK}}}href"):
        return value[1:] if value.startswith("#") else ""
    _, found, rest = value.partition("url(#")
    return rest.partition(")")[0] if found else ""


def _tidy(root: ET.Element) -> None:
    """Leave size and fonts to the page, and keep the figure's own style sheet from reaching the rest of it."""
    for child in [
        *root.findall(f"{{{_SVG}}}metadata"),
        *root.findall(f"{{{_SVG}}}defs[{{{_SVG}}}style]"),
    ]:
        root.remove(child)
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("style", f"stroke-linejoin: round; stroke-linecap: butt; font-family: {_FONTS}")
    for element in root.iter():
        if "font-family" in element.get("style", "") and element is not root:
            element.set("style", re.sub(r"font-family:[^;]*;?", "", element.get("style", "")))


def _markup(root: ET.Element) -> str:
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode")
