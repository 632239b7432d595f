"""A csv of yours that names images and their labels, valence and arousal, or both; it says nothing of formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fer_bench.core.labels import EXPRESSIONS, expression, ordered
from fer_bench.data import images, layout, sizing, splits
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.errors import DataError

_OPTIONAL = ("label", "valence", "arousal", "subject", "split")
LAYOUTS = (
    "the columns path, label or path, valence, arousal (or all four), and where known subject and "
    "split; paths are relative to the csv, labels are words, valence and arousal lie in [-1, 1]"
)


@dataclass(frozen=True)
class _Line:
    """One line of the manifest."""

    #: What names it in messages.
    where: str
    #: The image.
    file: Path
    #: The expression; "" where it names none.
    word: str
    #: Valence and arousal, where it has them.
    values: tuple[float, float] | None
    #: The person, "" where not said.
    subject: str
    #: The split, "" where not said.
    split: str


def find(path: str | None, split: str | None) -> Contents:
    """The images that the csv at `path` names; a set for regressors where it has valence and arousal.

    `split` chooses by the column split, or by person where there is only the column subject (`splits`); None takes
    all lines. The classes are the labels of all lines, of every split.
    """
    root = layout.find_root(path, "csv", "csv", LAYOUTS, "file")
    if root.is_dir():
        raise DataError(f"{root} is a folder; expected a csv file with {LAYOUTS}: --data csv:FILE[:SPLIT].")
    columns = layout.header(root)
    if "path" not in columns or not ("label" in columns or {"valence", "arousal"} <= set(columns)):
        raise DataError(f"{root} has the columns {', '.join(columns) or 'none'}; expected {LAYOUTS}.")
    lines = _lines(root, "label" in columns, {"valence", "arousal"} <= set(columns))
    classes = ordered([line.word for line in lines if line.word])
    if classes and not set(classes) & set(EXPRESSIONS):
        raise DataError(
            f"{root} has the labels {', '.join(classes[:6])}; expected words such as {', '.join(EXPRESSIONS)}."
        )
    chosen, notes = (lines, []) if split is None else _chosen(root, lines, columns, split)
    form = sizing.common_form(partial(images.look_at, line.file) for line in chosen)
    samples = [
        Sample(
            f"{line.file} ({line.where})",
            partial(images.read, line.file, form.mode, form.side),
            classes.index(line.word) if line.word else -1,
            line.values,
        )
        for line in chosen
    ]
    source = layout.source("csv", root, split)
    return Contents("csv", source, classes, lambda: samples, len(samples), (*notes, form.note))


def _lines(file: Path, labelled: bool, rated: bool) -> list[_Line]:
    found = []
    for row in layout.rows(file, ("path",), _OPTIONAL):
        name, label, valence, arousal, subject, split = (cell.strip() for cell in row.cells)
        if labelled and not label and not rated:
            raise DataError(f"{row.where}: the label is empty.")
        values = (_rating(valence, "valence", row.where), _rating(arousal, "arousal", row.where)) if rated else None
        word = expression(label) if labelled and label else ""
        found.append(_Line(row.where, file.parent / name, word, values, subject, split))
    return found


def _rating(text: str, what: str, where: str) -> float:
    value = layout.number(text, where, what)
    if not abs(value) <= 1:
        raise DataError(f"{where}: {what} {text} is not in [-1, 1].")
    return value


def _chosen(file: Path, lines: Sequence[_Line], columns: Sequence[str], split: str) -> tuple[list[_Line], list[str]]:
    if "split" in columns:
        known = dict.fromkeys(layout.split_word(line.split) for line in lines)
        wanted = layout.choose_split(split, list(known), str(file))
        return [line for line in lines if layout.split_word(line.split) == wanted], [f"split {wanted}"]
    if "subject" not in columns:
        raise DataError(
            f"{file} has no column split or subject, so that it has no split '{split}'; leave the split out."
        )
    wanted = layout.choose_split(split, splits.PARTS, str(file))
    nobody = next((line.where for line in lines if not line.subject), None)
    if nobody is not None:
        raise DataError(f"{nobody}: the subject is empty; a split by person needs everybody's.")
    return [line for line in lines if splits.part_of(line.subject) == wanted], [f"split {wanted}", splits.NOTE]


CARD = DatasetCard(
    name="csv",
    title="Your own images, named in a csv with labels or with valence and arousal",
    classes=(),
    layouts=LAYOUTS,
    splits=(),
    licence="yours",
    redistributable=False,
    needs_path=True,
    find=find,
)
