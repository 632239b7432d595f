"""Results to what the page shows below its leaderboards: figures, matrices, tables. It renders nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.tables.results import Results
from reports.tables.stages import stage_rows
from reports.view.costs import cost_figures, strength_figures
from reports.view.figures import Figure, circumplexes, distributions, security_curves, trade_off
from reports.view.format import visible
from reports.view.matrices import Kill, Matrix, heat_map, target_matrices, transfer_matrices, unique_kills
from reports.view.profiles import QUANTILES, Profile, profiles
from reports.view.regressors import RegressorRow, regressor_rows
from reports.view.rows import BoardTable


@dataclass(frozen=True)
class Listing:
    """A plain table of text, of which the columns from `numbers` on are numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: int


@dataclass(frozen=True)
class Sections:
    """What stands below the leaderboards; what is empty has no section."""

    #: Clean against robust, one a board.
    trade_offs: tuple[Figure, ...]
    #: Robust accuracy by budget, one an attack and data set.
    curves: tuple[Figure, ...]
    #: What stands at which size, one a minimum-norm attack.
    norms: tuple[Figure, ...]
    #: Models by attacks, one a board.
    heat_maps: tuple[Matrix, ...]
    #: What each attack broke, and alone broke.
    kills: tuple[Kill, ...]
    #: What each stage of a suite broke.
    stages: Listing
    #: Made on one model, judged on another.
    transfers: tuple[Matrix, ...]
    #: True class by class aimed at.
    targets: tuple[Matrix, ...]
    #: Agreement with the truth.
    regressors: tuple[RegressorRow, ...]
    #: Where attacks move predictions of valence and arousal.
    circumplexes: tuple[Figure, ...]
    #: A row of a board in detail.
    profiles: tuple[Profile, ...]
    #: Headings of the profiles' sizes.
    quantiles: tuple[str, ...]
    #: Rows and seconds of each cell.
    costs: tuple[Figure, ...]
    #: Robust accuracy by cost, one a threat.
    strengths: tuple[Figure, ...]


def sections(results: Results, tables: Sequence[BoardTable]) -> Sections:
    """Everything below the leaderboards, of which `tables` are the text."""
    frames = results.frames
    named = [(board, table.full_names) for board, table in zip(results.boards, tables, strict=True)]
    kills = [unique_kills(frames, *pair) for pair in named]
    return Sections(
        trade_offs=tuple(figure for figure in (trade_off(*pair) for pair in named) if figure),
        curves=security_curves(results),
        norms=tuple(figure for pair in named for figure in distributions(frames, *pair)),
        heat_maps=tuple(heat_map(*pair) for pair in named),
        kills=tuple(kill for own in kills for kill in own),
        stages=Listing(
            ("model", "data", "suite", "threat", "stage", "attacked", "fell here"),
            tuple(tuple(map(visible, row)) for row in stage_rows(results.stages)),
            5,
        ),
        transfers=transfer_matrices(results.transfers),
        targets=target_matrices(frames),
        regressors=regressor_rows(results.regressions),
        circumplexes=circumplexes(frames, results.regressions),
        profiles=tuple(
            profile for pair, own in zip(named, kills, strict=True) for profile in profiles(frames, *pair, own)
        ),
        quantiles=tuple(f"{share:.0%}" for share in QUANTILES),
        costs=cost_figures(frames),
        strengths=tuple(figure for pair in named for figure in strength_figures(frames, *pair)),
    )
