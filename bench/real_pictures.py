"""Makes the pictures of the real benchmark from the packages that hold them, with author, licence and source of each.

Photographs come from Debian's gcompris-qt-data, logos from three npm packages, surface maps of moons from Debian's
stellarium-data. Only what is in the public domain, under CC0 or under MIT is taken. The result is part of the package, so
this is run only when pictures are added:

    apt-get download gcompris-qt-data stellarium-data
    npm pack simple-icons @iconify-json/logos @iconify-json/cib
    python bench/real_pictures.py gcompris-qt-data_3.1-2_all.deb stellarium-data_0.22.2-1_all.deb NPM_FOLDER \\
        src/mlubench/data/real/pictures

Needs dpkg-deb and the package cairosvg.
"""

import csv
import io
import json
import re
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlubench.core.errors import MlubenchError
from mlubench.data.real.entities import RealEntity, read_background, read_entities
from mlubench.types import Entity

FloatArray = NDArray[np.float64]

# Pixels of the longer side, and WebP's quality.
SIDE = 384
QUALITY = 82
FREE = {"CC0-1.0": "CC0-1.0", "Public Domain": "Public Domain", "Public domain": "Public Domain"}
ACTIVITIES = "gcompris/src/activities/"
# Where the photographs lie below the activities, by the first part of their names in entities.yaml.
FOLDERS = {
    "explore_monuments": "explore_monuments/resource",
    "explore_world_animals": "explore_world_animals/resource/animals",
    "categorization": "categorization/resource/images",
    "solar_system": "solar_system/resource",
    "explore_farm_animals": "explore_farm_animals/resource/animals",
    "erase": "erase/resource",
}
# What stellarium-data says of the maps that are in the public domain (its CREDITS, 4.4 and 4.5l).
MAPS_CREDIT = {
    "moon": "USGS Astrogeology Research Program, and Clementine data of NASA",
    "dione": "NASA (CICLOPS team), coloured by RVS",
    "enceladus": "NASA (CICLOPS team), coloured by RVS",
}
ICONS_CREDIT = {
    "simple-icons": ("Simple Icons contributors", "CC0-1.0", "https://simpleicons.org"),
    "logos": ("Gil Barbara", "CC0-1.0", "https://github.com/gilbarbara/logos"),
    "cib": ("Lukasz Holeczek", "CC0-1.0", "https://github.com/coreui/coreui-icons"),
}


@dataclass(frozen=True, slots=True)
class Credit:
    author: str
    licence: str
    source: str


def unpack_resources(file: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents in one Qt resource file. Its tree of names, data and texts stands in three tables."""
    raw = file.read_bytes()
    if raw[:4] != b"qres":
        raise MlubenchError(f"{file} is no Qt resource file", "Give the package unchanged.")
    version, tree, data, texts = struct.unpack(">iiii", raw[4:20])
    node_size = 14 if version == 1 else 22

    def name_at(offset: int) -> str:
        start = texts + offset
        length = struct.unpack(">H", raw[start : start + 2])[0]
        return raw[start + 6 : start + 6 + 2 * length].decode("utf-16-be")

    def walk(node: int, path: str) -> Iterator[tuple[str, bytes]]:
        start = tree + node * node_size
        name, flags = struct.unpack(">iH", raw[start : start + 6])
        here = f"{path}/{name_at(name)}" if node else path
        if flags & 2:  # a folder: how many children, and the first of them
            count, first = struct.unpack(">ii", raw[start + 6 : start + 14])
            for child in range(first, first + count):
                yield from walk(child, here)
            return
        place = data + struct.unpack(">i", raw[start + 10 : start + 14])[0]
        length = struct.unpack(">i", raw[place : place + 4])[0]
        content = raw[place + 4 : place + 4 + length]
        # Before what zlib has packed stands its length.
        yield here.lstrip("/"), zlib.decompress(content[4:]) if flags & 1 else content

    yield from walk(0, "")


def read_credits(readme: str) -> dict[str, Credit]:
    """File name -> its credit, of the blocks in a README of the package."""
    found = {}
    for block in re.split(r"\n\s*\n", readme):
        fields = dict(re.findall(r"^(\w+):\s*(.*(?:\n[ \t]+.*)*)", block, re.MULTILINE))
        files = re.search(r"^Files:\s*((?:.*\n?)+)", block, re.MULTILINE)
        if files is None or "License" not in fields:
            continue
        address = re.search(r"https?://\S+", block)
        author = " ".join(fields.get("Copyright", "").replace("Copyright", " ").split())
        credit = Credit(author, fields["License"].strip(), address[0] if address else "")
        for name in files[1].split():
            found[name] = credit
    return found


class Photographs:
    """The package of photographs, unpacked."""

    def __init__(self, package: Path, scratch: Path) -> None:
        subprocess.run(["dpkg-deb", "-x", str(package), str(scratch)], check=True)
        self._files: dict[str, bytes] = {}
        for file in sorted(scratch.rglob("*.rcc")):
            for name, content in unpack_resources(file):
                if name.startswith(ACTIVITIES):
                    self._files[name.removeprefix(ACTIVITIES)] = content

    def get(self, name: str) -> tuple[Image.Image, Credit]:
        """The photograph of that name in entities.yaml. Raises MlubenchError where it is not free."""
        activity, _, rest = name.partition("/")
        path = f"{FOLDERS[activity]}/{rest}.webp"
        credit = self._credit(path)
        if credit.licence not in FREE:
            raise MlubenchError(f"{name} is under {credit.licence}", "Take another photograph.")
        return Image.open(io.BytesIO(self._files[path])), credit

    def _credit(self, path: str) -> Credit:
        folder = path
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            readme = self._files.get(f"{folder}/README")
            if readme is None:
                continue
            credits = read_credits(readme.decode())
            credit = credits.get(path.removeprefix(f"{folder}/"))
            if credit is not None:
                return Credit(
                    credit.author, FREE.get(credit.licence, credit.licence), credit.source
                )
        raise MlubenchError(f"no README says whose {path} is", "Take another photograph.")


class Logos:
    """The packages of logos, read where they are packed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def renderings(self, entity: RealEntity) -> Iterator[tuple[str, Image.Image, Credit]]:
        """Kind of picture, picture and credit: in the brand's colour, white on it, and by another hand."""
        logo = entity.logo
        assert logo is not None
        colour = f"#{logo['colour']}"
        yield "photo", *self.coloured(logo["slug"], logo["colour"])
        white, simple = self.coloured(logo["slug"], "ffffff")
        ground = Image.new("RGBA", white.size, colour)
        ground.alpha_composite(white)
        yield "photo", ground, simple
        package, _, name = logo["other"].partition(":")
        icons = json.loads(self._read(f"iconify-json-{package}", "package/icons.json"))
        other = _draw(_iconify(icons, name, colour))
        yield "other", other, Credit(*ICONS_CREDIT[package])

    def coloured(self, slug: str, colour: str) -> tuple[Image.Image, Credit]:
        """A logo of simple-icons in one colour, with a margin, as other renderings have one."""
        svg = self._read("simple-icons", f"package/icons/{slug}.svg").decode()
        svg = svg.replace('viewBox="0 0 24 24"', 'viewBox="-2 -2 28 28"')
        picture = _draw(svg.replace("<svg ", f'<svg fill="#{colour}" '))
        return picture, Credit(*ICONS_CREDIT["simple-icons"])

    def _read(self, package: str, path: str) -> bytes:
        archive = next(self._folder.glob(f"{package}-[0-9]*.tgz"))
        with tarfile.open(archive) as tar:
            member = tar.extractfile(path)
            assert member is not None
            return member.read()


def _iconify(icons: dict[str, object], name: str, colour: str) -> str:
    """One icon of a set in Iconify's form as a square SVG with a margin."""
    icon = icons["icons"][name]  # type: ignore[index]
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    side = 1.15 * max(width, height)
    box = f"{(width - side) / 2} {(height - side) / 2} {side} {side}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{box}" color="{colour}">{icon["body"]}</svg>'
    )


def _draw(svg: str) -> Image.Image:
    import cairosvg

    png = cairosvg.svg2png(bytestring=svg.encode(), output_width=SIDE, output_height=SIDE)
    return Image.open(io.BytesIO(png)).convert("RGBA")


class Maps:
    """The package of surface maps, unpacked."""

    def __init__(self, package: Path, scratch: Path) -> None:
        subprocess.run(["dpkg-deb", "-x", str(package), str(scratch)], check=True)
        self._textures = scratch / "usr" / "share" / "stellarium" / "textures"

    def globe(self, name: str) -> tuple[Image.Image, Credit]:
        """The body as it looks from afar, lit a little from the side."""
        author = MAPS_CREDIT[name]
        with Image.open(self._textures / f"{name}.png") as texture:
            picture = _globe(np.asarray(texture.convert("RGB"), dtype=float))
        return picture, Credit(author, "Public Domain", "https://github.com/Stellarium/stellarium")


def _globe(texture: FloatArray) -> Image.Image:
    """An orthographic view of an equirectangular map (H, W, 3) on black, with the sun 20 degrees east of the viewer."""
    height, width = texture.shape[:2]
    radius = 0.45 * SIDE
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    x = (column - SIDE / 2) / radius
    y = (SIDE / 2 - row) / radius
    on_disc = x**2 + y**2 <= 1
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    latitude = np.arcsin(np.clip(y, -1, 1))
    longitude = np.arctan2(x, z)
    map_row = ((0.5 - latitude / np.pi) * (height - 1)).round().astype(int)
    map_column = ((longitude / (2 * np.pi) + 0.5) * (width - 1)).round().astype(int)
    sun = np.radians(20)
    light = np.clip(x * np.sin(sun) + z * np.cos(sun), 0.03, 1)
    colours = texture[map_row, map_column] * (light * on_disc)[..., None]
    return Image.fromarray(colours.astype(np.uint8))


def _background(
    source: str, photographs: Photographs, logos: Logos, maps: Maps
) -> tuple[Image.Image, Credit]:
    """The picture that entities.yaml names so."""
    kind, _, name = source.partition(":")
    if kind == "logo":
        return logos.coloured(*name.split())
    if kind == "map":
        return maps.globe(name)
    return photographs.get(source)


def _write(out: Path, entity: Entity, name: str, picture: Image.Image, credit: Credit) -> list[str]:
    """Save a picture and return its line of ATTRIBUTION.csv."""
    file = f"{entity.key}/{name}"
    # Planets stand before a black sky.
    _save(picture, out / file, "black" if entity.cls == "Astronomy" else "white")
    return [file, credit.author, credit.licence, credit.source]


def _save(picture: Image.Image, path: Path, ground: str) -> None:
    """On an even ground, since a picture of a benchmark is opaque."""
    whole = picture.convert("RGBA")
    opaque = Image.new("RGBA", whole.size, ground)
    opaque.alpha_composite(whole)
    small = opaque.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    small.save(path, format="WEBP", quality=QUALITY, method=6)


@click.command()
@click.argument("package", type=click.Path(path_type=Path, exists=True))
@click.argument("surfaces", type=click.Path(path_type=Path, exists=True))
@click.argument("icons", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
def main(package: Path, surfaces: Path, icons: Path, out: Path) -> None:
    """Write the pictures of every entity and ATTRIBUTION.csv to OUT."""
    rows = []
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        photographs = Photographs(package, Path(one))
        maps = Maps(surfaces, Path(two))
        logos = Logos(icons)
        for entity in read_entities():
            pictures: list[tuple[str, Image.Image, Credit]] = []
            for name in entity.photographs:
                pictures.append(("photo", *photographs.get(name)))
            for name in entity.other:
                pictures.append(("other", *photographs.get(name)))
            if entity.logo is not None:
                pictures += logos.renderings(entity)
            for number, (kind, picture, credit) in enumerate(pictures, start=1):
                rows.append(_write(out, entity.entity, f"{kind}_{number}.webp", picture, credit))
        for stranger, source in read_background().items():
            picture, credit = _background(source, photographs, logos, maps)
            rows.append(_write(out, stranger, "photo_1.webp", picture, credit))
    with (out / "ATTRIBUTION.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "author", "licence", "source"])
        writer.writerows(rows)
    click.echo(f"{len(rows)} pictures in {out}")


if __name__ == "__main__":
    main()
