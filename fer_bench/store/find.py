"""Finds a stored cell by the beginning of its key, and a verdict by that of its sample's digest."""

from __future__ import annotations

from fer_bench.core.outcome import Verdict
from fer_bench.errors import UsageError
from fer_bench.store.results import ResultStore, StoredCell


def find_cell(store: ResultStore, prefix: str) -> StoredCell:
    """The finished cell whose key begins with `prefix`. Raises UsageError where none or several do."""
    cells = [found for found in store.cells() if found.key.startswith(prefix.lower()) and found.judged]
    if len(cells) == 1:
        return cells[0]
    if not cells:
        raise UsageError(
            f"no cell of {store.folder} begins with '{prefix}'; the report lists the keys, and so does "
            f"`ferbench replay {store.folder}`."
        )
    raise UsageError(
        f"'{prefix}' begins {len(cells)} cell keys ({', '.join(c.key for c in cells[:4])}, ...); give more."
    )


def find_verdict(store: ResultStore, cell: StoredCell, sample: str) -> Verdict:
    """The cell's verdict on the sample whose digest begins with `sample`. Raises UsageError where none or several.

    The second of two equal images is named by '#2' after the digest, or after the beginning of it.
    """
    beginning, _, copy = sample.lower().partition("#")
    found = [
        stored.verdict
        for stored in store.verdicts([cell.id])
        if stored.verdict.sample.startswith(beginning) and stored.verdict.sample.partition("#")[2] == copy
    ]
    if len(found) == 1:
        return found[0]
    problem = "is the beginning of no sample" if not found else f"is the beginning of {len(found)} samples"
    raise UsageError(f"'{sample}' {problem} of cell {cell.key}; give more digits of the sha256 of its pixels.")


def short(sample: str) -> str:
    """A sample's name with a digest of 16 digits, enough to find it by."""
    digest, mark, copy = sample.partition("#")
    return digest[:16] + mark + copy
