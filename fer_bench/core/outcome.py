"""What came out: verdicts, shards, where and with what a run was made. Frozen, without I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What happened to one sample in one cell.

    `label` and the predictions are indices into the model's classes (-1: the model has no such class). `fooled`: an
    image within the budget (minimum-norm: within [0, 1]) changed the right prediction, confirmed without cache.
    `target`: the class that a targeted attack aimed at; `fooled` then means that it was reached, and a sample of that
    very class is not attacked. `norm`: size of that perturbation in the attack's norm. `first_query`: forward query at
    which it was found, counted from 1. `forwards`: rows computed for this sample, confirmation included; `backwards`:
    gradients taken of it while it stood. `eight_bit`: the image rounded to 8 bits still fools and stays in the budget.
    A sample that was wrong before the attack has no norm, no queries, and `fooled` False.

    Of a regressor `clean_values` and `attacked_values` are its predicted (valence, arousal) before and under attack;
    label and predictions are then 0 where the loss is within the tolerance and 1 where it is not. Without a tolerance
    every sample counts as right before, and `fooled` means that an image of larger loss was found.
    """

    sample: str
    label: int
    clean_prediction: int
    fooled: bool
    attacked_prediction: int
    norm: float | None
    eight_bit: bool | None
    first_query: int | None
    forwards: int
    backwards: int
    target: int | None = None
    clean_values: tuple[float, float] | None = None
    attacked_values: tuple[float, float] | None = None

    @property
    def clean_right(self) -> bool:
        """True where the model was right before the attack."""
        return self.clean_prediction == self.label


@dataclass(frozen=True)
class ShardResult:
    """The verdicts of one shard and what it cost; what one transaction of the store holds.

    `forward_rows`, `backward_rows`: rows that the model computed, all of them.
    `zero_gradient_rows`, `bad_gradient_rows`: backward rows whose gradient was all zero, or not finite.
    `unconfirmed`: samples whose recorded image did not fool without the cache and that were attacked again.
    Of a staged cell (a suite, a curve) `stage` is the stage's number, `verdicts` are final, and `passed` are those of
    the samples that go on to the next stage; each states the cost of this stage alone.
    """

    verdicts: tuple[Verdict, ...]
    seconds: float
    forward_rows: int
    backward_rows: int
    zero_gradient_rows: int
    bad_gradient_rows: int
    unconfirmed: int
    stage: int | None = None
    passed: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """Where and with what a run was made."""

    command: str
    started: str
    fer_bench: str
    commit: str
    dirty: bool
    python: str
    platform: str
    device: str
    threads: int
    packages: tuple[tuple[str, str], ...]
