"""Reads what people write after --data: 'demo', 'fer2013:FOLDER', 'fer2013:C:\\data:validation'. It opens nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataSource:
    """A data set's name, and where given its path and split."""

    name: str
    path: str | None = None
    split: str | None = None

    def __str__(self) -> str:
        return ":".join(part for part in (self.name, self.path, self.split) if part is not None)


def parse_source(text: str) -> DataSource:
    """Splits NAME[:PATH[:SPLIT]] from both ends, so that a Windows drive's colon stays in the path.

    What follows the last colon is a split only where it holds no slash and what precedes it is more than a drive
    letter.
    """
    name, _, rest = text.strip().partition(":")
    drive = len(rest) == 2 and rest[0].isalpha()
    rest = rest if drive else rest.rstrip(": ")  # nothing stands behind a last colon
    if not rest:
        return DataSource(name)
    head, colon, tail = rest.rpartition(":")
    drive = len(head) == 1 and head.isalpha()
    if not colon or not head or drive or not tail or "/" in tail or "\\" in tail:
        return DataSource(name, rest)
    return DataSource(name, head, tail)
