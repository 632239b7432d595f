"""Results to everything that the report shows, as strings: dataclasses are filled here, and rendered elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from fer_bench._version import __version__
from fer_bench.core import protocol
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.outcome import Provenance
from fer_bench.store.results import CellContext, StoredCell
from reports.tables.frames import Frames
from reports.tables.results import Results
from reports.view.costs import Cost, cost_row
from reports.view.format import ABSENT, anchor, attack_name, parameter, visible
from reports.view.rows import BoardTable, board_table


@dataclass(frozen=True)
class Problem:
    """A cell without a result, and why."""

    #: Name of the model.
    model: str
    #: Attack and budget.
    attack: str
    #: Data set, subset and seed.
    data: str
    #: 'failed' or 'unfinished'.
    status: str
    #: The error, or how far it came.
    reason: str
    #: Number of the run.
    run: str


@dataclass(frozen=True)
class Setting:
    """An attack as it was run: every parameter."""

    #: Attack and budget.
    attack: str
    #: Smallest perturbation, or within a budget.
    kind: str
    #: Its norm.
    norm: str
    #: Version of its code.
    version: str
    #: 'name=value', comma-separated.
    parameters: str


@dataclass(frozen=True)
class Lack:
    """The classes that a model and a data set do not share."""

    model: str
    data: str
    in_model: str
    in_data: str


@dataclass(frozen=True)
class Card:
    """What is known of a model."""

    #: Its place on the page.
    anchor: str
    #: By which it is asked for.
    name: str
    #: In words.
    title: str
    #: Names and values, in order.
    facts: tuple[tuple[str, str], ...]
    #: A sentence each.
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Digest:
    """The identity of a model's weights or of a data set's images."""

    what: str
    name: str
    sha256: str


@dataclass(frozen=True)
class Run:
    """Where and with what some cells were made."""

    number: str
    cells: str
    command: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Page:
    """The whole report."""

    #: Version of the protocol.
    protocol: str
    #: Version of fer_bench.
    version: str
    #: How many cells there are.
    cells: int
    #: How many of them are done.
    finished: int
    #: How many models they are of.
    models: int
    #: The leaderboards.
    boards: tuple[BoardTable, ...]
    #: Cells without a result.
    problems: tuple[Problem, ...]
    #: Attacks as they were run.
    settings: tuple[Setting, ...]
    #: What each cell cost.
    costs: tuple[Cost, ...]
    #: Classes that a model and a data set do not share.
    lacks: tuple[Lack, ...]
    #: What is known of each model.
    cards: tuple[Card, ...]
    #: Identities of weights and images.
    digests: tuple[Digest, ...]
    #: Where and with what cells were made.
    runs: tuple[Run, ...]


def page(results: Results) -> Page:
    """Everything the report of these results shows but its sections."""
    frames = results.frames
    cells = _cells(frames)
    return Page(
        protocol=protocol.VERSION,
        version=__version__,
        cells=len(cells),
        finished=sum(cell.status == "done" for cell in cells),
        models=len({cell.cell.model for cell in cells}),
        boards=tuple(board_table(board) for board in results.boards),
        problems=problems(frames),
        settings=tuple(dict.fromkeys(_setting(cell) for cell in cells)),
        costs=tuple(cost_row(cell) for cell in cells if cell.judged),
        lacks=_lacks(cells),
        cards=tuple({_title(cell): _card(cell) for cell in cells}.values()),
        digests=_digests(cells),
        runs=tuple(_run(number, run, cells) for number, run in frames.runs.items()),
    )


def problems(frames: Frames) -> tuple[Problem, ...]:
    """The cells that failed or are not finished, in the order of the cells."""
    return tuple(
        Problem(
            model=visible(cell.cell.model),
            attack=attack_name(cell),
            data=f"{visible(cell.cell.data)}, n = {cell.cell.n:,}, seed {cell.cell.seed}",
            status="failed" if cell.status == "failed" else "unfinished",
            reason=_reason(cell),
            run=str(cell.run_id),
        )
        for cell in _cells(frames)
        if cell.status != "done"
    )


def _cells(frames: Frames) -> list[StoredCell]:
    return [frames.stored[int(cell)] for cell in frames.cells["cell"]]


def _reason(cell: StoredCell) -> str:
    if cell.status == "failed":
        return visible(" ".join(cell.error.split())) or "no reason was stored"
    share = f"{cell.judged:,} of {cell.cell.n:,} images judged"
    return f"{share}; the command that started it goes on from there."


def _setting(cell: StoredCell) -> Setting:
    attack: AttackSpec = cell.cell.attack
    words = [parameter(name, value, attack.norm) for name, value in attack.key_params()]
    kind = "smallest perturbation" if attack.minimum_norm else "within a budget"
    return Setting(attack_name(cell), kind, attack.norm, str(attack.version), visible(", ".join(words)) or "none")


def _lacks(cells: list[StoredCell]) -> tuple[Lack, ...]:
    found: dict[Lack, None] = {}
    for cell in cells:
        context: CellContext = cell.context
        if context.missing_in_model or context.missing_in_data:
            found[
                Lack(
                    model=visible(cell.cell.model),
                    data=visible(cell.cell.data),
                    in_model=visible(", ".join(context.missing_in_model)) or "none",
                    in_data=visible(", ".join(context.missing_in_data)) or "none",
                )
            ] = None
    return tuple(found)


def _title(cell: StoredCell) -> tuple[str, str]:
    return cell.cell.model, cell.cell.model_digest


def _card(cell: StoredCell) -> Card:
    context = cell.context
    facts = [
        ("family", context.family),
        ("year", str(context.year or "unknown")),
        ("parameters", f"{context.parameters:,}"),
        ("input", context.input),
        ("classes", ", ".join(context.model_classes)),
        ("trained on", context.trained_on),
        ("licence", context.licence),
        ("defended", "yes" if context.defended else "no"),
        ("contaminated", context.contaminated or "not known to be"),
    ]
    return Card(
        anchor=anchor("card", *_title(cell)),
        name=visible(cell.cell.model),
        title=visible(context.model_title),
        facts=tuple((name, visible(value)) for name, value in facts),
        notes=tuple(visible(note) for note in context.notes),
    )


def _digests(cells: list[StoredCell]) -> tuple[Digest, ...]:
    models = [Digest("weights and code", visible(c.cell.model), c.cell.model_digest) for c in cells]
    data = [Digest("images and labels", f"{visible(c.cell.data)}, n = {c.cell.n:,}", c.cell.data_digest) for c in cells]
    return tuple(dict.fromkeys([*models, *data]))


def _run(number: int, run: Provenance, cells: list[StoredCell]) -> Run:
    changed = " with uncommitted changes" if run.dirty else ""
    facts = [
        ("started", run.started),
        ("fer_bench", run.fer_bench),
        ("commit", f"{run.commit}{changed}"),
        ("Python", run.python),
        ("platform", run.platform),
        ("device", run.device),
        ("threads", str(run.threads)),
        ("packages", ", ".join(f"{name} {version}" for name, version in run.packages) or ABSENT),
    ]
    return Run(
        number=str(number),
        cells=str(sum(cell.run_id == number for cell in cells)),
        command=visible(run.command),
        facts=tuple((name, visible(value)) for name, value in facts),
    )
