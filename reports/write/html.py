"""The leaderboard as files: csv, Markdown, and one HTML page that needs no network. Written whole or not at all."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import jinja2
from markupsafe import Markup

from fer_bench.files import write
from reports.tables.leaderboard import leaderboard
from reports.tables.results import Results
from reports.view.gallery import Gallery
from reports.view.page import page
from reports.view.sections import sections
from reports.write.markdown import as_markdown
from reports.write.terminal import as_text

__all__ = ["as_text", "render", "write_csv", "write_html", "write_markdown"]


def write_csv(results: Results, path: Path) -> None:
    """Writes the leaderboard as csv: fractions, empty where not measured. Raises StoreError."""
    text: str = leaderboard(results).to_csv(index=False, lineterminator="\n")
    write(text, path)


def write_html(results: Results, path: Path, gallery: Gallery | None = None) -> None:
    """Writes the report as one self-contained page. Raises StoreError where it cannot be written."""
    write(render(results, gallery), path)


def write_markdown(results: Results, path: Path) -> None:
    """Writes the report as Markdown. Raises StoreError where it cannot be written."""
    write(as_markdown(results), path)


def render(results: Results, gallery: Gallery | None = None) -> str:
    """The report as HTML, with a gallery where one is given: the same text for the same results."""
    loader = jinja2.PackageLoader("reports", "templates")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _asset(environment, "report.js") + _asset(environment, "hints.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    content = page(results)
    styles = ["report.css"] if gallery is None else ["report.css", "gallery.css"]
    return environment.get_template("report.html").render(
        page=content,
        sections=sections(results, content.boards),
        gallery=gallery,
        style=Markup("".join(_asset(environment, name) for name in styles)),
        script=Markup(script),
        script_digest=digest,
    )


def _asset(environment: jinja2.Environment, name: str) -> str:
    """The text of one of our own files, with the line ends that a browser hashes."""
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].replace("\r\n", "\n")
