"""Attacks on valence-arousal regressors: which attacks serve them, and how they are asked for. It runs nothing.

With a `tolerance` a cell counts the predictions that can be pushed beyond it; without one it seeks the largest loss
of every sample, which is what RMSE and CCC under attack are read from. The two are different cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from attacks.registry import ATTACKS
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.model_card import Task
from fer_bench.engine.attack import Attack
from fer_bench.engine.goals import TOLERANCE
from fer_bench.errors import UsageError


def for_task(attacks: Iterable[Attack], task: Task) -> list[Attack]:
    """The attacks as they run on data of this task: on regressors each gets its loss, and a tolerance if it needs one.

    Raises UsageError, with those that serve, for an attack that does not.
    """
    return [_on_regressors(attack) if task == "va" else _on_classifiers(attack) for attack in attacks]


def _on_classifiers(attack: Attack) -> Attack:
    spec = attack.spec
    odd = "loss" if spec.loss else "tolerance" if spec.tolerance is not None else ""
    if odd or (not attack.stages and ATTACKS.get(spec.name).regressors == "only"):
        what = f"{spec.name}({odd}=...)" if odd else spec.name
        raise UsageError(f"{what} is for valence-arousal regressors, and this data has classes.")
    return attack


def _on_regressors(attack: Attack) -> Attack:
    spec = attack.spec
    if spec.name not in ATTACKS or ATTACKS.get(spec.name).regressors == "no" or spec.target:
        what = "a targeted attack" if spec.target else "a suite" if spec.name not in ATTACKS else spec.name
        served = ", ".join(card.name for card in ATTACKS if card.regressors != "no")
        raise UsageError(f"{what} cannot attack valence-arousal regressors; these can: {served}.")
    card = ATTACKS.get(spec.name)
    bounded = bool(attack.stages) or card.regressors == "tolerance" or spec.minimum_norm
    stages = tuple(replace(stage, spec=_spec(stage.spec, card.loss, bounded=True)) for stage in attack.stages)
    return replace(attack, spec=_spec(spec, card.loss, bounded), stages=stages)


def _spec(spec: AttackSpec, loss: str, bounded: bool) -> AttackSpec:
    """The spec with its loss (`loss` where none is set), and where it needs a boundary (`bounded`) a tolerance."""
    loss, tolerance = spec.loss or loss, spec.tolerance
    if bounded and tolerance is None:
        tolerance = TOLERANCE if loss == "squared" else 0.0
    return replace(
        spec,
        loss=loss,
        tolerance=tolerance,
        record="largest" if tolerance is None else spec.record,
        order=tuple(name for name, _ in spec.key_params()),  # what was asked for stands first
    )
