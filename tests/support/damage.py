"""Random damage to JSON texts, as a disk, an editor or another program's version does it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

#: Whatever a JSON text may hold, also what is no text on one line and no number.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["a\nb", "\x1b[2J"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all values within a value, itself first."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for step, inner in steps for place in places(inner, (*path, step)))]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """The text of a list or object that is not empty, with a value replaced, lost or renamed, or characters gone."""
    kind = draw(st.sampled_from(["whole", "replaced", "lost", "renamed", "cut", "overwritten"]))
    if kind == "whole":
        return json.dumps(draw(ANYTHING))
    if kind in ("cut", "overwritten"):
        at = draw(st.integers(0, len(text) - 1))
        return text[:at] if kind == "cut" else text[:at] + draw(st.text(max_size=3)) + text[at + 1 :]
    content = json.loads(text)
    *path, last = draw(st.sampled_from(places(content)[1:]))
    holder = content
    for step in path:
        holder = holder[step]
    value = holder.pop(last) if kind != "replaced" else None
    if kind == "replaced":
        holder[last] = draw(ANYTHING)
    elif kind == "renamed" and isinstance(holder, dict):
        holder[f"{last}\n"] = value
    return json.dumps(content)
