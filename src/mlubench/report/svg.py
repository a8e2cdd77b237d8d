"""Puts a figure into a page as inline SVG: the same bytes each time, and ids that no other figure on the page uses."""

import io
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
# A link's attribute, as SVG 2 writes it and as SVG 1.1, which matplotlib writes, does.
_LINKS = ("href", f"{{{_XLINK}}}href")
# The fonts that matplotlib measured with, then one of the same widths, then whatever the reader has.
_FONTS = "'DejaVu Sans', Verdana, sans-serif"
# None leaves an entry out: date and version would change the bytes of an equal figure.
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def inline_svg(figure: "Figure", prefix: str, alt: str) -> str:
    """`<svg>` markup for an HTML page. `prefix` goes before every id, `alt` is what a screen reader says.

    Letters stay letters: smaller than drawn outlines, and they can be searched and copied.
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    # Without a fixed salt matplotlib draws random ids.
    with mpl.rc_context({"svg.hashsalt": prefix, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata=_METADATA, facecolor="none")
    root = ET.fromstring(buffer.getvalue())
    _prefix_ids(root, prefix)
    _drop_page_styles(root)
    root.set("role", "img")
    root.set("aria-label", alt)
    # Without these names ElementTree writes `ns0:svg`, which no browser draws inside HTML.
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode")


def _prefix_ids(root: ET.Element, prefix: str) -> None:
    """Prefix the ids that something points to, and drop the others."""
    used = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            target = _target(key, value)
            if target:
                used.add(target)
    for element in root.iter():
        # A copy, because the loop changes the attributes.
        for key, value in list(element.attrib.items()):
            target = _target(key, value)
            if key == "id" and value in used:
                element.set(key, f"{prefix}-{value}")
            elif key == "id":
                del element.attrib[key]
            elif target:
                element.set(key, value.replace(f"#{target}", f"#{prefix}-{target}"))


def _target(key: str, value: str) -> str:
    """The id that a link (`#id`) or a style (`url(#id)`) points to, or "" for any other attribute.

    A colour such as `#e6e6e6` is no link.
    """
    if key in _LINKS:
        return value[1:] if value.startswith("#") else ""
    _, found, rest = value.partition("url(#")
    return rest.partition(")")[0] if found else ""


def _drop_page_styles(root: ET.Element) -> None:
    """Leave size and fonts to the page, and keep the figure's own style sheet from reaching the rest of it."""
    metadata = root.findall(f"{{{_SVG}}}metadata")
    style_sheets = root.findall(f"{{{_SVG}}}defs[{{{_SVG}}}style]")
    for child in metadata + style_sheets:
        root.remove(child)
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    # Matplotlib's style sheet said how lines join and end, so the figure's root says it now.
    root.set("style", f"stroke-linejoin: round; stroke-linecap: butt; font-family: {_FONTS}")
    for element in root.iter():
        style = element.get("style", "")
        if "font-family" in style and element is not root:
            element.set("style", re.sub(r"font-family:[^;]*;?", "", style))
