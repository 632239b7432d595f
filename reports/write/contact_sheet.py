"""Draws a contact sheet of a data set: a row of images for each class, or for each quadrant of valence and arousal.

It shows what a survey holds and opens no data set.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fer_bench.data.survey import SHOWN, Example, Survey, quadrant
from fer_bench.errors import UsageError
from fer_bench.files import replacing

_TILE, _GAP, _LEFT, _CAPTION = 96, 4, 150, 14
_QUADRANTS = ("pleasant, aroused", "unpleasant, aroused", "unpleasant, calm", "pleasant, calm")


def check(path: Path) -> None:
    """Raises UsageError where a sheet cannot be written to `path`, before anything is read."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"--sheet {path} is no PNG; give a name that ends in .png.")
    if not path.parent.is_dir():
        raise UsageError(f"--sheet {path}: the folder {path.parent} does not exist; make it first.")


def write(found: Survey, path: Path) -> None:
    """Writes the sheet as PNG. Rows without images are left out; values stand below images that have some."""
    rows = [(title, group) for title, group in _rows(found) if group]
    caption = _CAPTION if found.spreads else 0
    height = _TILE + caption + _GAP
    sheet = Image.new("RGB", (_LEFT + SHOWN * (_TILE + _GAP), max(1, len(rows)) * height + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default()
    for number, (title, group) in enumerate(rows):
        top = _GAP + number * height
        pen.multiline_text((_GAP, top + _GAP), title, fill="black", font=font)
        for place, example in enumerate(group):
            left = _LEFT + place * (_TILE + _GAP)
            sheet.paste(_tile(example), (left, top))
            if example.values is not None:
                pen.text((left, top + _TILE), "{:+.2f} {:+.2f}".format(*example.values), fill="black", font=font)
    with replacing(path, _unwritable) as part:
        sheet.save(part, "PNG")


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"--sheet {path} cannot be written ({error.strerror}); give another place.")


def _rows(found: Survey) -> list[tuple[str, list[Example]]]:
    classes = found.contents.classes
    if not classes and found.spreads:
        return [
            (title, [e for e in found.examples if e.values is not None and quadrant(e.values) == index])
            for index, title in enumerate(_QUADRANTS)
        ]
    named = [
        (f"{name}\n{count:,} images", [e for e in found.examples if e.label == index])
        for index, (name, count) in enumerate(zip(classes, found.counts, strict=True))
    ]
    return [*named, (f"no class\n{found.unlabelled:,} images", [e for e in found.examples if e.label < 0])]


def _tile(example: Example) -> Image.Image:
    """The image in the largest size that fits a tile."""
    image = Image.fromarray(example.pixels).convert("RGB")
    scale = _TILE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC)
