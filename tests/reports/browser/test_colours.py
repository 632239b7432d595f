"""The page's colours against WCAG 2: text 4.5 to 1 and controls 3 to 1 on what they stand on, light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reports

STYLE = (Path(reports.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
LINES = [f"s{number}" for number in range(8)]
#: Colours of text, and what each stands on.
TEXT = [
    ("ink", ("paper", "raised", "warn-paper", "shaded")),
    ("soft", ("paper", "raised", "warn-paper")),
    ("accent", ("paper", "raised", "warn-paper")),
    ("warn", ("paper", "raised", "warn-paper")),
    ("bad", ("paper", "raised")),
    *((line, ("paper",)) for line in LINES),
]
#: Edges of fields and buttons, the tick of a bar on its two grounds, marks and outlines.
CONTROLS = [("edge", ("paper", "raised")), ("accent", ("track", "paper")), ("soft", ("paper", "raised"))]


def colours(scheme: str) -> dict[str, tuple[float, float, float]]:
    """The style sheet's named colours, red, green and blue in [0, 1]; `shaded`: the strongest field of a matrix."""
    blocks = re.findall(r":root \{(.*?)\n\s*\}", STYLE, re.S)
    light = dict(re.findall(r"--([\w-]+): (#\w+);", blocks[0]))
    named = light if scheme == "light" else light | dict(re.findall(r"--([\w-]+): (#\w+);", blocks[1]))
    found = {name: _read(text) for name, text in named.items()}
    [share] = re.findall(r"var\(--band\) calc\(var\(--shade, 0\) \* ([.\d]+)%\), var\(--paper\)", STYLE)
    pairs = zip(found["band"], found["paper"], strict=True)
    found["shaded"] = tuple(float(share) * band + (1 - float(share)) * paper for band, paper in pairs)
    return found


def _read(text: str) -> tuple[float, float, float]:
    digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
    return tuple(int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """WCAG 2.2, "contrast ratio" of "relative luminance"."""

    def luminance(colour: tuple[float, float, float]) -> float:
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_formula_gives_the_published_values():
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast(_read("#767676"), _read("#fff")) == pytest.approx(4.54, abs=0.005)  # the lightest grey that passes


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("needed", "pairs"), [(4.5, TEXT), (3.0, CONTROLS)], ids=["text", "controls"])
def test_what_must_be_read_stands_out(scheme, needed, pairs):
    known = colours(scheme)
    ratios = {(name, ground): contrast(known[name], known[ground]) for name, grounds in pairs for ground in grounds}
    assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < needed} == {}


def test_nothing_readable_is_faded():
    """Opacity would lower the contrast that the colours have."""
    assert "opacity" not in STYLE


def test_each_scheme_and_print_name_every_colour_that_they_change():
    """Print starts from the light colours, whatever the screen shows."""
    assert re.findall(r"@media ([^{]*prefers-color-scheme[^{]*) \{", STYLE) == [
        "screen and (prefers-color-scheme: dark)"
    ]
    light, dark = re.findall(r":root \{(.*?)\n\s*\}", STYLE, re.S)[:2]
    assert set(re.findall(r"--([\w-]+):", dark)) == set(re.findall(r"--([\w-]+):", light))
