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

    trade_offs: tuple[Figure, ...]
    curves: tuple[Figure, ...]
    norms: tuple[Figure, ...]
    heat_maps: tuple[Matrix, ...]
    kills: tuple[Kill, ...]
    stages: Listing
    transfers: tuple[Matrix, ...]
    targets: tuple[Matrix, ...]
    regressors: tuple[RegressorRow, ...]
    circumplexes: tuple[Figure, ...]
    profiles: tuple[Profile, ...]
    quantiles: tuple[str, ...]
    costs: tuple[Figure, ...]
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
