"""What a check or a comparison found, for people and for machines: text, Markdown, JSON, JUnit. It judges nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from xml.etree import ElementTree as Xml

from fer_bench.gate import Check, Comparison, NotComparable
from fer_bench.regression import NOISE, POWER
from fer_bench.types import Cell
from reports.display import crop, decimal, percent, visible
from reports.listing import grid
from reports.markdown import escaped, table
from reports.text import printable

#: Version of the JSON's layout.
SCHEMA = 1
NAME_WIDTH = 40
NAMES_SHOWN = 10
_BAD = ("fell", "differs")
#: XML has no way to write these two, not even escaped; `visible` leaves them, for they disguise nothing.
_NOT_XML = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}


@dataclass(frozen=True)
class Titles:
    """What the two sides are called, and in how many directions a change counts."""

    before: str = "baseline"
    after: str = "now"
    sides: int = 1


CHECK, COMPARE = Titles(), Titles("A", "B", sides=2)


def as_text(check: Check, titles: Titles = CHECK) -> str:
    """The comparisons as a table for a terminal, then what they mean."""
    parts = []
    if check.comparisons:
        header, rows = _rows(check, titles)
        parts.append(grid(header, [[crop(cell, NAME_WIDTH) for cell in row] for row in rows]))
    if check.not_comparable:
        rows = [[crop(cell, 2 * NAME_WIDTH) for cell in _lost(row)] for row in check.not_comparable]
        parts.append(grid(("not comparable", "reading", "reason", ""), rows))
    return printable("\n\n".join([*parts, "\n".join(_sentences(check, titles))]))


def as_markdown(check: Check, titles: Titles = CHECK) -> str:
    """The same as Markdown, for a job summary or a pull request; what went wrong stands first."""
    parts = [f"## {_headline(check, titles)}"]
    if check.comparisons:
        parts.append(table(*_rows(check, titles)))
    if check.not_comparable:
        parts.append(table(("not comparable", "reading", "reason", ""), [_lost(row) for row in check.not_comparable]))
    parts.append("\n".join(f"- {escaped(sentence)}" for sentence in _sentences(check, titles)[1:]))
    return "\n\n".join(parts) + "\n"


def as_json(check: Check) -> str:
    """Everything as JSON: ASCII, no NaN, fractions for accuracies and drops."""
    content = {
        "schema": SCHEMA,
        "passed": check.passed,
        "rule": asdict(check.rule),
        "comparisons": [
            {
                **_identity(row.cell, row.reading),
                "right_before": row.before,
                "right_after": row.after,
                "fell": row.fell,
                "rose": row.rose,
                "p_fell": row.p_fell,
                "p_rose": row.p_rose,
                "status": row.status,
                "cannot_fail": row.blind,
                "new_weights": row.new_weights,
            }
            for row in check.comparisons
        ],
        "not_comparable": [
            {**_identity(row.cell, row.reading), "reason": row.reason, "fails": row.fails}
            for row in check.not_comparable
        ],
        "unguarded": check.unguarded,
        "smallest_detectable_drop": [{"n": n, "drop": drop} for n, drop in check.detectable.items()],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _identity(cell: Cell, reading: str) -> dict[str, str | int]:
    return {"model": cell.model, "reading": reading, "data": cell.data, "n": cell.n, "seed": cell.seed}


def as_junit(check: Check) -> str:
    """A JUnit XML file: a test case a row; rows that cannot be compared and may be missing are skipped."""
    suite = Xml.Element("testsuite", name="ferbench check")
    for compared in check.comparisons:
        case = _case(suite, compared.cell, compared.reading)
        if compared.status in _BAD:
            told = _xml(_sentence(compared))
            Xml.SubElement(case, "failure", type=compared.status, message=told).text = told
    for lost in check.not_comparable:
        case = _case(suite, lost.cell, lost.reading)
        kind = "failure" if lost.fails else "skipped"
        Xml.SubElement(case, kind, type="not comparable", message=_xml(visible(lost.reason)))
    if not suite:
        case = Xml.SubElement(suite, "testcase", classname="ferbench", name="compared")
        Xml.SubElement(case, "failure", type="nothing", message=_NOTHING)
    counts = {"failure": "failures", "skipped": "skipped"}
    suite.set("tests", str(len(suite)))
    suite.set("errors", "0")
    for tag, attribute in counts.items():
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    return Xml.tostring(suite, encoding="unicode", xml_declaration=False) + "\n"


def _case(suite: Xml.Element, cell: Cell, reading: str) -> Xml.Element:
    where = _xml(visible(f"ferbench.{cell.data}.{cell.model}"))
    return Xml.SubElement(suite, "testcase", classname=where, name=_xml(visible(reading)))


def _xml(text: str) -> str:
    return text.translate(_NOT_XML)


# ------------------------------------------------------------------------------------------------------------- words

_NOTHING = "Nothing could be compared, which is no pass."


def _rows(check: Check, titles: Titles) -> tuple[Sequence[str], list[Sequence[str]]]:
    p = "p (Holm)" if titles is CHECK else "p (two-sided, Holm)"
    header = ("model", "reading", "data", "n", titles.before, titles.after, "points", "fell", "rose", p, "")
    rows: list[Sequence[str]] = []
    for row in check.comparisons:
        rows.append(
            (
                visible(row.cell.model),
                visible(row.reading),
                visible(row.cell.data),
                f"{row.cell.n:,}",
                percent(row.before / row.cell.n),
                percent(row.after / row.cell.n),
                points(row.change),
                f"{row.fell:,}",
                f"{row.rose:,}",
                decimal(_p(row, titles)),
                row.status.upper() if row.status in _BAD else row.status,
            )
        )
    return header, rows


def points(change: float) -> str:
    """A change of a rate in percentage points with its sign: '-5.2', '+0.1', '-<0.1', '0'."""
    if change == 0:
        return "0"
    text = f"{abs(100 * change):.1f}"
    return f"{'+' if change > 0 else '-'}{'<0.1' if text == '0.0' else text}"


def _lost(row: NotComparable) -> tuple[str, str, str, str]:
    reason = visible(" ".join(row.reason.split()))
    return visible(row.cell.model), visible(row.reading), reason, "FAILS" if row.fails else "allowed"


def _headline(check: Check, titles: Titles) -> str:
    counts = {status: sum(c.status == status for c in check.comparisons) for status in ("fell", "differs", "rose")}
    words = [f"{len(check.comparisons)} accuracies compared", f"{counts['fell']} fell", f"{counts['rose']} rose"]
    if check.rule.exact:
        words.append(f"{counts['differs']} differ")
    words.append(f"{len(check.not_comparable)} not comparable")
    if titles is COMPARE:
        return f"From A to B: {', '.join(words)}."
    return f"The gate {'passes' if check.passed else 'FAILS'}: {', '.join(words)}."


def _sentences(check: Check, titles: Titles) -> list[str]:
    """The headline, then what a reader must know besides."""
    told = [_headline(check, titles)]
    if titles is CHECK and not check.comparisons:
        told.append(_NOTHING)
    told += [_sentence(row, titles) for row in check.comparisons if row.status in _BAD]
    told += [_sentence(row, titles) for row in check.comparisons if row.status == "rose"]
    told += [_detectable(n, drop, check, titles) for n, drop in check.detectable.items()]
    blind = [row.name for row in check.comparisons if row.blind]
    if blind:
        told.append(f"Too few images were right before for any fall to show: {_listed(blind)}.")
    renewed = [row.cell.model for row in check.comparisons if row.new_weights]
    if renewed:
        told.append(f"New weights: {_listed(renewed)}.")
    if check.unguarded:
        where = "Not in the baseline, so not guarded" if titles is CHECK else "Only in B"
        told.append(f"{where}: {_listed(check.unguarded)}.")
    if titles is CHECK and any(row.status == "rose" for row in check.comparisons):
        told.append("Something rose: a new baseline would guard it at its new height.")
    return told


def _listed(names: Sequence[str]) -> str:
    """Names in order, each once, and how many more there are."""
    unique = [visible(name) for name in dict.fromkeys(names)]
    more = f" and {len(unique) - NAMES_SHOWN} more" if len(unique) > NAMES_SHOWN else ""
    return ", ".join(unique[:NAMES_SHOWN]) + more


def _sentence(row: Comparison, titles: Titles = CHECK) -> str:
    """What became of one accuracy, in a sentence."""
    if row.status == "differs" and not row.fell + row.rose:
        return f"{visible(row.name)} differs: as many images are right, the predictions are others."
    before, after = percent(row.before / row.cell.n), percent(row.after / row.cell.n)
    return (
        f"{visible(row.name)} {row.status}: {before} to {after} % ({points(row.change)} points; {row.fell:,} images "
        f"fell, {row.rose:,} rose; p {decimal(_p(row, titles))})."
    )


def _p(row: Comparison, titles: Titles) -> float:
    """Holm's p value: of the change that is told, or in both directions."""
    if titles.sides == 2:
        return min(1.0, 2 * min(row.p_fell, row.p_rose))
    return row.p_rose if row.status == "rose" else row.p_fell


def _detectable(n: int, drop: float | None, check: Check, titles: Titles) -> str:
    rule = check.rule
    size = "No drop" if drop is None else f"A drop of {100 * drop:.1f} points or more"
    return (
        f"{size} is caught with a probability of {100 * POWER:.0f} % at n = {n:,} ("
        f"{len(check.comparisons)} comparisons, tolerance {100 * rule.tolerance:g} points, "
        f"alpha {titles.sides * rule.alpha:g}, {100 * NOISE:g} % of the verdicts changing each way by chance)."
    )
