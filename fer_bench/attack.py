"""An attack ready to run: its settings and the code that carries them out. It must not know where either comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fer_bench.observer import Observer
from fer_bench.setwise import Fit
from fer_bench.types import AttackSpec

Program = Callable[[AttackSpec, Observer], None]


@dataclass(frozen=True)
class Attack:
    """An attack in the matrix: its settings and the program that carries it out.

    `fit`: its set-level stage, for attacks of a set. `stages`: the attacks of a suite or a curve, in order, each of
    which gets the samples that the ones before left standing; `program` is then not called.
    """

    spec: AttackSpec
    program: Program
    fit: Fit | None = None
    stages: tuple[Attack, ...] = ()


def by_proposals(spec: AttackSpec, observer: Observer) -> None:
    """The program of an attack whose images a set-level stage, or another model, made before: it asks about them."""
    observer.attack(lambda images, labels: observer.proposed())


def by_stages(spec: AttackSpec, observer: Observer) -> None:
    """The program of a suite or a curve, which the engine runs stage by stage and never as a whole."""
    raise AssertionError(f"{spec.name} is run stage by stage")
