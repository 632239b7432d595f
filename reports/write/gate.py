"""What a check or a comparison found, for people and for machines: text, Markdown, JSON, JUnit. It judges nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from xml.etree import ElementTree as Xml

from fer_bench.gate.check import Check, Comparison, NotComparable, Shift
from reports.view import gate as words
from reports.view.format import crop, visible
from reports.view.gate import CHECK, COMPARE, Titles
from reports.write.listing import grid
from reports.write.markdown import escaped, table
from reports.write.terminal import printable

__all__ = ["CHECK", "COMPARE", "SCHEMA", "Titles", "as_json", "as_junit", "as_markdown", "as_text"]

#: Version of the JSON's layout; 2 has `agreements`, and says of every row what it measures.
SCHEMA = 2
NAME_WIDTH = 40
REASON_WIDTH = 80
#: XML has no way to write these two, not even escaped; `visible` leaves them, for they disguise nothing.
_NOT_XML = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}


def as_text(check: Check, titles: Titles = CHECK) -> str:
    """The comparisons as tables for a terminal, then what they mean."""
    parts = []
    for header, rows in words.tables(check, titles):
        widths = [REASON_WIDTH if title == "reason" else NAME_WIDTH for title in header]
        parts.append(grid(header, [[crop(c, width) for c, width in zip(row, widths, strict=True)] for row in rows]))
    return printable("\n\n".join([*parts, "\n".join(words.sentences(check, titles))]))


def as_markdown(check: Check, titles: Titles = CHECK) -> str:
    """The same as Markdown, for a job summary or a pull request; what went wrong stands first."""
    parts = [f"## {words.headline(check, titles)}"]
    parts += [table(header, rows) for header, rows in words.tables(check, titles)]
    parts.append("\n".join(f"- {escaped(sentence)}" for sentence in words.sentences(check, titles)[1:]))
    return "\n\n".join(parts) + "\n"


def as_json(check: Check) -> str:
    """Everything as JSON: ASCII, no NaN, fractions for accuracies and drops."""
    content = {
        "schema": SCHEMA,
        "passed": check.passed,
        "rule": asdict(check.rule),
        "comparisons": [
            {
                **_identity(row),
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
        "agreements": [
            {
                **_identity(row),
                "before": row.before,
                "after": row.after,
                "change_low": row.low,
                "change_high": row.high,
                "p_worse": row.p_worse,
                "p_better": row.p_better,
                "status": row.status,
                "cannot_fail": row.blind,
                "new_weights": row.new_weights,
            }
            for row in check.shifts
        ],
        "not_comparable": [
            {**_identity(row), "reason": row.reason, "fails": row.fails} for row in check.not_comparable
        ],
        "unguarded": check.unguarded,
        "smallest_detectable_drop": [{"n": n, "drop": drop} for n, drop in check.detectable.items()],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _identity(row: Comparison | Shift | NotComparable) -> dict[str, str | int]:
    cell = row.cell
    return {
        "model": cell.model,
        "reading": row.reading,
        "measure": row.measure,
        "data": cell.data,
        "n": cell.n,
        "seed": cell.seed,
    }


def as_junit(check: Check) -> str:
    """A JUnit XML file: a test case a row; rows that cannot be compared and may be missing are skipped."""
    suite = Xml.Element("testsuite", name="ferbench check")
    for compared in check.compared:
        case = _case(suite, compared)
        if compared.failed:
            told = _xml(words.sentence(compared))
            Xml.SubElement(case, "failure", type=compared.status, message=told).text = told
    for lost in check.not_comparable:
        case = _case(suite, lost)
        kind = "failure" if lost.fails else "skipped"
        Xml.SubElement(case, kind, type="not comparable", message=_xml(visible(lost.reason)))
    if not len(suite):
        case = Xml.SubElement(suite, "testcase", classname="ferbench", name="compared")
        Xml.SubElement(case, "failure", type="nothing", message=words.NOTHING)
    counts = {"failure": "failures", "skipped": "skipped"}
    suite.set("tests", str(len(suite)))
    suite.set("errors", "0")
    for tag, attribute in counts.items():
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    return Xml.tostring(suite, encoding="unicode", xml_declaration=False) + "\n"


def _case(suite: Xml.Element, row: Comparison | Shift | NotComparable) -> Xml.Element:
    seed = f".seed {row.cell.seed}" if row.cell.seed else ""
    where = _xml(visible(f"ferbench.{row.cell.data}.{row.cell.model}{seed}"))
    return Xml.SubElement(suite, "testcase", classname=where, name=_xml(visible(f"{row.reading}, {row.measure}")))


def _xml(text: str) -> str:
    return text.translate(_NOT_XML)
