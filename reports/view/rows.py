"""Boards to rows of strings: what a leaderboard shows, for page and terminal alike. It computes no rate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from fer_bench.stats import rates
from reports.tables.boards import Board, Entry
from reports.tables.rates import threat_order
from reports.view.commands import command
from reports.view.footnotes import Note, footnotes
from reports.view.format import ABSENT, anchor, decimal, interval, millions, percent, visible

Kind = Literal["clean", "clean macro", "worst case", "minimum norm", "robust", "robust macro", "8-bit"]

_TIPS: dict[Kind, str] = {
    "clean": "Share of images classified rightly, without attack.",
    "clean macro": "Mean of the classes' accuracies, without attack: every class counts the same.",
    "worst case": "Share of images that withstand every attack run at this norm and eps.",
    "minimum norm": "Median size of the smallest perturbation found, over images that were right before; those that "
    "never fell count as infinite. Larger is more robust.",
    "robust": "Share of images right before and after this attack: an upper bound of the robust accuracy.",
    "robust macro": "Mean of the classes' robust accuracies: every class counts the same.",
    "8-bit": "Robust accuracy when the adversarial image is rounded to 8 bits, as an image file holds it.",
}


@dataclass(frozen=True)
class Number:
    """A number for display."""

    #: What is read.
    text: str
    #: Its 95 % interval, or another remark; "" without.
    interval: str = ""
    #: The exact number; "" where not measured.
    sort: str = ""
    #: Where its bar begins, 0 to 100, or "".
    low: str = ""
    #: Where the number stands on it.
    at: str = ""
    #: Where its bar ends.
    high: str = ""
    #: Footnotes marked at it.
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column of numbers."""

    #: What is measured.
    kind: Kind
    #: The heading over it and its neighbours.
    group: str
    #: The attack or threat that it is about.
    name: str
    #: Its own heading.
    title: str
    #: What it says, in a sentence.
    tip: str
    #: Footnotes marked at its heading.
    notes: tuple[Note, ...] = ()
    #: The norm and budget, or the norm alone of a minimum norm; "" without attack.
    threat: str = ""


@dataclass(frozen=True)
class Group:
    """A heading over `span` consecutive columns."""

    title: str
    span: int


@dataclass(frozen=True)
class ModelRow:
    """A model on a board."""

    #: Its place, '-' without one.
    rank: str
    #: The ranks that paired tests leave possible, '1 to 3'; "" without a rank.
    range: str
    #: What `range` comes from; "" without a rank.
    range_tip: str
    #: What the model predicts.
    task: str
    #: Its architecture.
    family: str
    #: 'yes' or 'no'.
    defended: str
    #: Name of the model.
    name: str
    #: What tells it from another row of the same name; "" where nothing must.
    differs: str
    #: In words.
    title: str
    #: Family, year, size.
    facts: str
    #: Footnotes about the model itself.
    badges: tuple[Note, ...]
    #: By column.
    numbers: tuple[Number, ...]
    #: What runs its cells again.
    command: str
    #: The place on the page of its profile, which may not be there.
    profile: str
    #: The place on the page of its card.
    card: str


@dataclass(frozen=True)
class BoardTable:
    """A leaderboard."""

    #: Name of the data set.
    data: str
    #: Of its images and labels.
    digest: str
    #: How many images.
    n: str
    #: The rule, in sentences.
    ranking: str
    #: The width of the widest 95 % interval at this n, in points.
    widest: str
    #: In order.
    columns: tuple[Column, ...]
    #: Headings over consecutive columns.
    groups: tuple[Group, ...]
    #: In order of rank.
    rows: tuple[ModelRow, ...]
    #: All footnotes.
    notes: tuple[Note, ...]

    @property
    def full_names(self) -> tuple[str, ...]:
        """What each row is called where rows of one name must be told apart."""
        return tuple(f"{row.name} ({row.differs})" if row.differs else row.name for row in self.rows)


def board_table(board: Board) -> BoardTable:
    """The board with every number as text."""
    differs = _differences(board)
    names = tuple(visible(entry.first.cell.model) for entry in board.entries)
    full = tuple(f"{name} ({words})" if words else name for name, words in zip(names, differs, strict=True))
    known = footnotes(board, full)
    columns = [
        Column(kind, group, name, title, _TIPS[kind], known.at(None, name) if kind == "robust" else (), threat)
        for kind, group, name, title, threat in _columns(board)
    ]
    rows = []
    for place, entry in enumerate(board.entries):
        context = entry.first.context
        numbers = tuple(
            _number(entry, column, known.at(place, column.name) if column.kind in ("robust", "worst case") else ())
            for column in columns
        )
        facts = [
            context.family,
            str(context.year) if context.year else "year unknown",
            millions(context.parameters) if context.parameters else "size unknown",
        ]
        rank, span = board.ranks[place], board.ranges[place]
        row = ModelRow(
            rank="-" if rank is None else str(rank),
            range="" if span is None else str(span.best) if span.best == span.worst else f"{span.best} to {span.worst}",
            range_tip="" if span is None else f"{span.above} models tested better, {span.below} worse, at 5 %.",
            task=context.task,
            family=visible(context.family),
            defended="yes" if context.defended else "no",
            name=names[place],
            differs=differs[place],
            title=visible(context.model_title),
            facts=visible(" · ".join([*facts, "defended"] if context.defended else facts)),
            badges=known.at(place, ""),
            numbers=numbers,
            command=visible(command(entry.cells)),
            profile=anchor("profile", *entry.identity),
            card=anchor("card", *entry.model),
        )
        rows.append(row)
    widest = rates.wilson(board.n / 2, board.n)
    groups = [Group(title, len(list(own))) for title, own in groupby(columns, key=lambda column: column.group)]
    return BoardTable(
        data=visible(board.data),
        digest=board.data_digest,
        n=f"{board.n:,}",
        ranking=_ranking(board),
        widest=f"{100 * (widest.high - widest.low):.1f}",
        columns=tuple(columns),
        groups=tuple(groups),
        rows=tuple(rows),
        notes=known.notes,
    )


def _ranking(board: Board) -> str:
    if board.ranked_by is None:
        return "Nothing was measured that could rank these models."
    which = "the smallest Linf budget" if board.ranked_by.norm == "Linf" else "the smallest L2 budget (no Linf)"
    text = f"Ranked by the worst case at {board.ranked_by}, {which} reported here, then by clean accuracy."
    return text if None not in board.ranks else f"{text} Without that measurement there is no rank (-)."


def _differences(board: Board) -> tuple[str, ...]:
    """For each row what tells it from the others of its name: the start of its weights' digest, its seed."""
    cells = [entry.first.cell for entry in board.entries]
    digests = Counter(name for name, _ in {(cell.model, cell.model_digest) for cell in cells})
    seeds = Counter(name for name, _ in {(cell.model, cell.seed) for cell in cells})
    return tuple(
        ", ".join(
            words
            for words, several in (
                (f"weights {cell.model_digest[:8]}", digests[cell.model] > 1),
                (f"seed {cell.seed}", seeds[cell.model] > 1),
            )
            if several
        )
        for cell in cells
    )


def _columns(board: Board) -> list[tuple[Kind, str, str, str, str]]:
    """Kind, group, name, title and threat of each column, in order."""
    cases = {threat: case for entry in board.entries for threat, case in entry.worst.items()}
    scores = {name: score for entry in board.entries for name, score in entry.scores.items()}
    found: list[tuple[Kind, str, str, str, str]] = [
        ("clean", "no attack", "", "accuracy", ""),
        ("clean macro", "no attack", "", "macro", ""),
    ]
    for threat in sorted(cases, key=lambda threat: threat_order(cases[threat].threat)):
        found.append(("worst case", "worst case over attacks", threat, threat, threat))
    attacks = dict.fromkeys(score.reading.attack for score in scores.values())
    for attack in attacks:
        of = [(name, score) for name, score in scores.items() if score.reading.attack == attack]
        minimum = next((e.minimum_norms[attack] for e in board.entries if attack in e.minimum_norms), None)
        if minimum is not None:
            found.append(("minimum norm", f"{attack}, minimum {minimum.norm}", attack, "median norm", minimum.norm))
        for name, score in sorted(of, key=lambda item: threat_order(item[1].reading.threat)):
            group = f"{name} ({score.reading.threat.norm})"
            at = str(score.reading.threat)
            found += [("robust", group, name, "robust", at), ("robust macro", group, name, "macro", at)]
            if score.eight_bit is not None:
                found.append(("8-bit", group, name, "8-bit", at))
    return [(kind, visible(group), name, title, threat) for kind, group, name, title, threat in found]


def _number(entry: Entry, column: Column, notes: tuple[Note, ...]) -> Number:
    if column.kind == "minimum norm":
        return _norm(entry, column.name)
    rate = _rate(entry, column)
    if rate is None:
        return Number(ABSENT)
    low, at, high = (f"{100 * share:.2f}" for share in (rate.low, rate.value, rate.high))
    return Number(percent(rate.value), interval(rate), repr(rate.value), low, at, high, notes)


def _rate(entry: Entry, column: Column) -> rates.Rate | None:
    """The rate of a model in a column; None where it was not measured."""
    if column.kind == "clean":
        return entry.clean.rate
    if column.kind == "clean macro":
        return entry.clean.macro
    if column.kind == "worst case":
        case = entry.worst.get(column.name)
        return None if case is None else case.rate
    score = entry.scores.get(column.name)
    if score is None:
        return None
    if column.kind == "8-bit":
        return score.eight_bit
    return score.robust.rate if column.kind == "robust" else score.robust.macro


def _norm(entry: Entry, attack: str) -> Number:
    found = entry.minimum_norms.get(attack)
    if found is None or found.median is None:
        return Number(ABSENT)
    sort = "Infinity" if found.median == float("inf") else repr(found.median)
    return Number(decimal(found.median), f"{found.fell:,} of {found.right:,} fell", sort)
