"""Suites to tables: what each stage attacked and broke. A stage saw only survivors: these are no robust accuracies."""

from __future__ import annotations

from fer_bench.types import AttackSpec
from reports.frames import Frames
from reports.rates import finished


def stage_names(spec: AttackSpec) -> tuple[str, ...]:
    """The names of a suite's stages, in order; empty where the spec is no suite."""
    depth, names, name = 0, [], ""
    for character in spec.word("stages"):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            names.append(name)
            name = ""
        else:
            name += character
    return tuple([*names, name] if name else names)


def stage_rows(frames: Frames) -> list[tuple[str, ...]]:
    """Model, suite, threat, stage, number attacked and number that fell there, for every finished suite."""
    rows: list[tuple[str, ...]] = []
    for cell in finished(frames):
        spec = cell.cell.attack
        counts = frames.stages.get(cell.id, ()) if spec.word("stages") else ()
        rows += (
            (cell.cell.model, cell.context.attack_label, str(spec.threat), name, f"{count.asked:,}", f"{count.fell:,}")
            for name, count in zip(stage_names(spec), counts, strict=False)
        )
    return rows
