"""The verbs on results that exist: load, report, export. They read verdicts; a gallery alone runs models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fer_bench import files
from fer_bench.api import benchmark, replays
from fer_bench.errors import UsageError
from fer_bench.store.results import ResultStore
from reports.tables.breakdowns import curves
from reports.tables.frames import Frames, collect, merged
from reports.tables.results import Results
from reports.view.exhibits import choose
from reports.view.gallery import Gallery, Hung
from reports.view.gallery import gallery as drawn
from reports.view.rows import board_table
from reports.write import exports, html


def export(results: str | Path, output: str | Path, table: str = "leaderboard") -> Path:
    """Writes one table of a results folder and returns its path; the name's ending says how.

    `table`: one of reports.write.exports.TABLES. Endings: .csv, .parquet, .json, .md, .tex. What was not measured is
    empty, null or 'n/a'. Raises FerBenchError for another table or ending.
    """
    path = Path(output)
    make = exports.writer(table, path.suffix)
    files.write(make(Results(load(results))), path)
    return path


def figures(results: str | Path, output: str | Path) -> list[Path]:
    """Draws a results folder's figures for papers and returns the files; the name's ending says how.

    A .pdf has a page a figure; several figures as .svg or .png go to NAME-1, NAME-2 ... Raises FerBenchError for
    another ending, and where there is nothing to draw.
    """
    from reports.write import paper_figures  # here: matplotlib is slow to import, and only this draws by it

    path = Path(output)
    ending = path.suffix.lower()
    if ending not in paper_figures.ENDINGS:
        known = ", ".join(paper_figures.ENDINGS)
        raise UsageError(f"figures cannot be drawn as '{ending or 'a file without ending'}'; it is one of {known}.")
    stored = Results(load(results))
    contents = paper_figures.files(stored.boards, curves(stored), ending)
    numbered = [path.with_stem(f"{path.stem}-{number}") for number in range(1, len(contents) + 1)]
    paths = [path] if len(contents) == 1 else numbered
    for content, place in zip(contents, paths, strict=True):
        files.write(content, place)
    return paths


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

    - `results`: a results folder or several; a cell that several hold is taken from the first that finished it.
    - `output`: the page; a name that ends in .md gives Markdown; None: report.html in the first folder.
    - `gallery`: how many attacked images of each model the page shows, beside where the energy of their perturbations
      goes; they are made again, which runs models. None: no gallery.
    - `embed_restricted`: also show pictures of data sets that may not be passed on.
    - `weights`: NAME=FILE of models whose weights were brought.
    - `tell`: called with a line for whatever cannot be shown, which the page says too.

    Raises FerBenchError where a folder cannot be read, or where Markdown is to have a gallery.
    """
    folders = [Path(results)] if isinstance(results, str | Path) else [Path(folder) for folder in results]
    if not folders:
        raise UsageError("no results folder was given; name one or more.")
    page = Path(output) if output is not None else folders[0] / benchmark.REPORT_NAME
    shown = Results(merged([load(folder) for folder in folders]))
    if gallery is None:
        write_page = html.write_markdown if page.suffix == ".md" else html.write_html
        write_page(shown, page)
        return page
    if page.suffix == ".md":
        raise UsageError(f"a gallery is for the HTML page, and {page.name} is Markdown; leave --gallery out.")
    if gallery < 1:
        raise UsageError(f"gallery={gallery} cannot be shown; give a whole number of images from 1.")
    hung = _hung(shown, gallery, embed_restricted, weights)
    html.write_html(shown, page, hung)
    for line in hung.lacks:
        tell(line)
    return page


def _hung(results: Results, count: int, embed_restricted: bool, weights: Iterable[str]) -> Gallery:
    """The gallery of results, its images made again."""
    choices = choose(results, count)
    rooms = replays.remade([choice.wanted for choice in choices], weights=weights)
    names = [board_table(board).full_names for board in results.boards]
    return drawn(Hung(choices, rooms, count, embed_restricted), results.boards, names)


def load(results: str | Path = "results") -> Frames:
    """The stored verdicts of a results folder as pandas frames: `.cells` (one row a cell) and `.verdicts`."""
    with ResultStore(Path(results), create=False) as store:
        return collect(store)
