"""The verbs on results that exist: export, baseline, check, compare. They read verdicts and run no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fer_bench import api, baselines, gate
from fer_bench.errors import StoreError, UsageError
from fer_bench.guarded import Snapshot, slot
from fer_bench.judgement import Check, Rule
from fer_bench.types import ThreatModel
from reports import exports, files, leaderboard
from reports import gate as rendered
from reports.boards import boards
from reports.exhibits import choose
from reports.frames import Frames
from reports.gallery import Gallery, Hung
from reports.gallery import gallery as drawn
from reports.merged import merged
from reports.rows import board_table
from reports.snapshots import snapshot

__all__ = ["Check", "Rule", "baseline", "check", "compare", "export", "exports", "rendered", "report", "write"]


def export(results: str | Path, output: str | Path, table: str = "leaderboard") -> Path:
    """Writes one table of a results folder and returns its path; the name's ending says how.

    `table`: one of reports.exports.TABLES. Endings: .csv, .parquet, .json, .md, .tex. What was not measured is empty,
    null or 'n/a'. Raises FerBenchError for another table or ending.
    """
    path = Path(output)
    make = exports.writer(table, path.suffix)
    files.write(make(api.load(results)), path)
    return path


def report(
    results: str | Path | Sequence[str | Path] = "results",
    output: str | Path | None = None,
    *,
    gallery: int | None = None,
    embed_restricted: bool = False,
    weights: Iterable[str] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> Path:
    """Writes the report of a results folder, or of several as one, and returns its path.

    `output` is report.html in the first folder where not given; a name that ends in .md gives Markdown. A cell that
    several folders hold is taken from the first that finished it.

    `gallery`: how many attacked images of each model the page shows, beside where the energy of their perturbations
    goes; they are made again, which runs models. Pictures of data sets that may not be passed on are left out unless
    `embed_restricted`. `weights`: NAME=FILE of models whose weights were brought. `tell` is called with a line for
    whatever cannot be shown, which the page says too.

    Raises FerBenchError where a folder cannot be read, or where Markdown is to have a gallery.
    """
    folders = [Path(results)] if isinstance(results, str | Path) else [Path(folder) for folder in results]
    if not folders:
        raise UsageError("no results folder was given; name one or more.")
    page = Path(output) if output is not None else folders[0] / api.REPORT_NAME
    frames = merged([api.load(folder) for folder in folders])
    if gallery is None:
        write_page = leaderboard.write_markdown if page.suffix == ".md" else leaderboard.write_html
        write_page(frames, page)
        return page
    if page.suffix == ".md":
        raise UsageError(f"a gallery is for the HTML page, and {page.name} is Markdown; leave --gallery out.")
    if gallery < 1:
        raise UsageError(f"gallery={gallery} cannot be shown; give a whole number of images from 1.")
    hung = _hung(frames, gallery, embed_restricted, weights)
    leaderboard.write_html(frames, page, hung)
    for line in hung.lacks:
        tell(line)
    return page


def _hung(frames: Frames, count: int, embed_restricted: bool, weights: Iterable[str]) -> Gallery:
    """The gallery of results, its images made again."""
    ranked = boards(frames)
    choices = choose(frames, ranked, count)
    rooms = api.remade([choice.wanted for choice in choices], weights=weights)
    names = [board_table(board).full_names for board in ranked]
    return drawn(Hung(choices, rooms, count, embed_restricted), ranked, names)


def baseline(results: str | Path, output: str | Path = "baseline.json") -> Snapshot:
    """Writes the finished cells of a results folder as a baseline file and returns what it holds.

    Raises StoreError where nothing is finished, or where two cells differ in nothing but their weights.
    """
    found = snapshot(api.load(results))
    if not found.cells:
        reasons = Counter(row.reason for row in found.unmeasured)
        told = "; ".join(reasons) or "it is empty"
        raise StoreError(f"{results} holds no finished cell that a baseline could guard ({told}).")
    for place, times in Counter(slot(cell.cell) for cell in found.cells).items():
        if times > 1:
            raise StoreError(
                f"{results} holds the same cells of '{place.model}' for {times} sets of weights, and a baseline is for "
                "one; run the one to guard into a folder of its own."
            )
    files.write(baselines.to_json(found), Path(output))
    return found


def check(results: str | Path, baseline: str | Path, rule: Rule | None = None) -> Check:
    """Compares a results folder with a baseline file; `.passed` says whether the gate lets it through.

    The rule is docs/design/gate.md; Rule() is the default one. Raises FerBenchError where either cannot be read.
    """
    old = baselines.read(Path(baseline))
    return gate.check(old, snapshot(api.load(results), _budgets(old)), rule or Rule())


def compare(a: str | Path, b: str | Path, alpha: float = 0.05) -> Check:
    """What rose and what fell from `a` to `b`, each a results folder or a baseline file.

    The tests of `check` with Holm's correction, two-sided at `alpha`, without tolerance. Nothing passes or fails.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"--alpha {alpha:g} cannot be used; it is a probability above 0 and below 1.")
    old = _snapshot(Path(a), ())
    new = _snapshot(Path(b), _budgets(old))
    return gate.check(old, new, Rule(tolerance=0, alpha=alpha / 2, allow_missing=True))


def write(text: str, path: Path) -> None:
    """Writes a rendered check. Raises StoreError where that cannot be done."""
    files.write(text, path)


def _snapshot(source: Path, budgets: Sequence[ThreatModel]) -> Snapshot:
    return baselines.read(source) if source.is_file() else snapshot(api.load(source), budgets)


def _budgets(old: Snapshot) -> tuple[ThreatModel, ...]:
    """Where minimum-norm cells must be read, so that every reading of `old` has a counterpart."""
    return tuple(dict.fromkeys(threat for cell in old.cells for threat, _ in cell.robust))
