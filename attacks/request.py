"""Reads what people write after --attacks: 'pgd(steps=50,eps=4/255),cw(c=5)', 'pgd-10', 'all'. It runs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fer_bench.errors import UsageError

_ITEM = re.compile(r"\s*(?P<name>[A-Za-z0-9_\-]+)\s*(?:\((?P<settings>[^()]*)\))?\s*")


@dataclass(frozen=True)
class AttackRequest:
    """An attack as asked for: its name and the settings as written, in order."""

    name: str
    settings: tuple[tuple[str, str], ...] = ()


def parse_attacks(text: str) -> list[AttackRequest]:
    """Splits a comma-separated list of attacks. Raises UsageError with the place that cannot be read."""
    requests = []
    position = 0
    while position < len(text):
        found = _ITEM.match(text, position)
        if found is None:
            raise UsageError(
                f"cannot read the attacks from '{text[position:]}' on; expected NAME or NAME(parameter=value,...), "
                "separated by commas."
            )
        requests.append(AttackRequest(found["name"], _settings(found["name"], found["settings"])))
        position = found.end()
        if position < len(text):
            if text[position] == "(":
                raise UsageError(f"{found['name']}: its bracket is not closed, or holds another one.")
            if text[position] != ",":
                raise UsageError(f"cannot read the attacks from '{text[position:]}' on; a comma was expected there.")
            position += 1
    if not requests:
        raise UsageError("no attack was named; give names separated by commas, or 'all'.")
    return requests


def _settings(name: str, text: str | None) -> tuple[tuple[str, str], ...]:
    settings: list[tuple[str, str]] = []
    for part in (text or "").split(","):
        if not part.strip():
            continue
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key or not value:
            raise UsageError(f"{name}: cannot read '{part.strip()}'; expected parameter=value.")
        if key in dict(settings):
            raise UsageError(f"{name}: {key} is set twice.")
        settings.append((key, value))
    return tuple(settings)
