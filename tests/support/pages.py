"""What tests of the page share: a reader of its elements, hostile text, and a real browser."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = {"meta", "br", "link", "img", "hr", "input", "wbr"}


class Tree(HTMLParser):
    """What a test asks of a page: its tags, text, scripts, links and the cells of its boards."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.of_the_page = 0
        self.attributes: list[tuple[str, str | None]] = []
        self.script = ""
        self.words: list[str] = []
        self.table = ""
        self.rows: dict[str, list[list[str]]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.of_the_page += tag == "title" and "svg" not in self.open  # drawings have titles of their own
        self.attributes += attrs
        if tag == "table":
            self.table = dict(attrs).get("id") or ""
        if tag == "tr" and "tbody" in self.open:
            self.rows.setdefault(self.table, []).append([])
        if tag in ("td", "th") and "tbody" in self.open:
            self.rows[self.table][-1].append(dict(attrs).get("data-sort") or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.script += data
        elif "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


HOSTILE = (
    "<script>document.title='owned'</script>",
    "\"' onmouseover=alert(1) x='",
    "\u202egpj.exe\u2066",
    "x" * 500,
    "a\x00\x1b\nb",
    "{{ 7 * 7 }}",
    "</title></style></script><!-- -->",
)


# -------------------------------------------------------------------------------------------------- in a real browser


def dom(url: str, profile: Path) -> str:
    """What Chromium makes of a page after its scripts ran."""
    if CHROMIUM is None:
        pytest.skip("no chromium or google-chrome on the path; install one (apt-get install chromium)")
    words = "--headless --no-sandbox --enable-logging=stderr --disable-gpu --disable-quic --no-first-run"
    words += " --disable-background-networking"
    words += " --disable-component-update --disable-sync --disable-dev-shm-usage --virtual-time-budget=5000"
    command = [CHROMIUM, *words.split(), f"--user-data-dir={profile}", "--dump-dom", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr  # no error, no refused request, nothing left from debugging
    return done.stdout
