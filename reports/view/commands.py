"""Stored cells to the command that runs them again. It runs nothing."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from fer_bench.core import protocol
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.threat import Norm, format_eps, parse_number
from fer_bench.errors import UsageError
from fer_bench.store.results import StoredCell

#: Parameters of a curve that state what follows from its levels.
_DERIVED = ("levels", "digest")


def command(cells: Sequence[StoredCell]) -> str:
    """The command that runs these cells of one model again, into a folder of their own.

    Budgets stand in the attacks, curves in `--eps`, which holds one curve a norm: cells with several curves of a norm
    need several commands, joined by '&&'.
    """
    plain = [cell for cell in cells if not cell.cell.attack.levels]
    curves: dict[str, list[StoredCell]] = {}
    for cell in cells:
        if cell.cell.attack.levels:
            curves.setdefault(_levels(cell.cell.attack.norm, cell.cell.attack.levels), []).append(cell)
    first, *others = list(curves.items()) or [("", [])]
    parts = [([*plain, *first[1]], first[0]), *((own, eps) for eps, own in others)]
    return " && ".join(_command(own, eps) for own, eps in parts)


def _command(cells: Sequence[StoredCell], eps: str) -> str:
    of = cells[0]
    attacks = ",".join(dict.fromkeys(_request(cell) for cell in cells))
    words = ["ferbench", "run", "--models", of.cell.model, "--attacks", attacks, *(["--eps", eps] if eps else [])]
    words += ["--data", of.context.data_source, "--n", str(of.cell.n), "--seed", str(of.cell.seed)]
    return shlex.join([*words, "--out", "reproduced"])


def _levels(norm: Norm, levels: Sequence[float]) -> str:
    """The levels of a curve as `--eps` reads them: 'Linf:0.25/255:16/255:log8'; one by one where it cannot say them."""
    ends = f"{norm}:{format_eps(levels[0], norm)}:{format_eps(levels[-1], norm)}"
    for scale in ("log", "lin"):
        try:
            made = protocol.parse_eps(f"{ends}:{scale}{len(levels)}").curve(norm)
        except UsageError:
            continue
        if [format_eps(level, norm) for level in made] == [format_eps(level, norm) for level in levels]:
            return f"{ends}:{scale}{len(levels)}"
    return ",".join(f"{norm}:{format_eps(level, norm)}" for level in levels)


def _request(cell: StoredCell) -> str:
    """The attack as `--attacks` reads it: its budget, and the settings that its label names, exactly."""
    attack = cell.cell.attack
    label = cell.context.attack_label
    settings = []
    if not attack.minimum_norm:
        eps = format_eps(attack.threat.eps, attack.norm)
        settings.append(f"eps={eps if parse_number(eps) == attack.threat.eps else repr(attack.threat.eps)}")
    if "norm=" in label and "norm" not in dict(attack.params):
        settings.append(f"norm={attack.norm}")
    for name, value in attack.key_params():
        if _asked(attack, name, value, label):
            settings.append(f"{name}={value!r}" if isinstance(value, float) else f"{name}={value}")
    return f"{attack.name}({','.join(settings)})" if settings else attack.name


def _asked(attack: AttackSpec, name: str, value: object, label: str) -> bool:
    """True where a setting was asked for: a curve keeps those alone, other attacks name theirs in their label."""
    if attack.levels:
        return name not in _DERIVED
    return name != "eps" and (f"{name}=" in label or (name == "steps" and label == f"{attack.name}-{value}"))
