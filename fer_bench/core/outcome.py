"""What came out: verdicts, shards, where and with what a run was made. Frozen, without I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What happened to one sample in one cell.

    `label` and the predictions are indices into the model's classes (-1: the model has no such class). A sample that
    was wrong before the attack has no norm, no queries, and `fooled` False.

    Of a regressor, label and predictions are 0 where the loss is within the tolerance and 1 where it is not. Without a
    tolerance every sample counts as right before, and `fooled` means that an image of larger loss was found.
    """

    #: The sample's id in its `EvalSet`.
    sample: str
    #: The true class.
    label: int
    #: Without attack.
    clean_prediction: int
    #: An image within the budget (minimum-norm: within [0, 1]) changed the right prediction, or reached the target;
    #: confirmed without cache.
    fooled: bool
    #: Of the image that was found; where there is none, the clean one's.
    attacked_prediction: int
    #: Size of the perturbation in the attack's norm.
    norm: float | None
    #: The image rounded to 8 bits still fools and stays in the budget.
    eight_bit: bool | None
    #: The forward query at which the image was found, counted from 1.
    first_query: int | None
    #: Rows computed for this sample, confirmation included.
    forwards: int
    #: Gradients taken of it while it stood.
    backwards: int
    #: The class that a targeted attack aimed at; a sample of that very class is not attacked.
    target: int | None = None
    #: A regressor's predicted valence and arousal without attack.
    clean_values: tuple[float, float] | None = None
    #: And under attack.
    attacked_values: tuple[float, float] | None = None

    @property
    def clean_right(self) -> bool:
        """True where the model was right before the attack."""
        return self.clean_prediction == self.label


@dataclass(frozen=True)
class ShardResult:
    """The verdicts of one shard and what it cost; what one transaction of the store holds.

    Of a staged cell (a suite, a curve) it is a shard of one stage; each verdict states that stage's cost alone.
    """

    #: Those that are final.
    verdicts: tuple[Verdict, ...]
    #: Wall time.
    seconds: float
    #: Rows that the model computed, all of them.
    forward_rows: int
    #: Rows of which a gradient was taken.
    backward_rows: int
    #: Backward rows whose gradient was all zero.
    zero_gradient_rows: int
    #: Backward rows whose gradient was not finite.
    bad_gradient_rows: int
    #: Samples whose recorded image did not fool without the cache and that were attacked again.
    unconfirmed: int
    #: The stage's number, from 0; None where the cell has no stages.
    stage: int | None = None
    #: The verdicts of the samples that go on to the next stage.
    passed: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """Where and with what a run was made."""

    #: As it was given.
    command: str
    #: UTC, ISO 8601.
    started: str
    #: The version of this package.
    fer_bench: str
    #: Of its source; empty where it is no checkout.
    commit: str
    #: The source differed from that commit.
    dirty: bool
    #: Python's version.
    python: str
    #: The operating system, as Python's `platform` calls it.
    platform: str
    #: The processor or the accelerator.
    device: str
    #: Of torch.
    threads: int
    #: Names and versions of the packages that matter.
    packages: tuple[tuple[str, str], ...]
