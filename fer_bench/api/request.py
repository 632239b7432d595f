"""Request: all that a run is asked for, as one value from the command line to the matrix. It looks nothing up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from fer_bench.errors import UsageError
from fer_bench.registry import unknown_name

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fer_bench.bench.matrix import Rerun
    from fer_bench.core.model_card import ModelCard


class Settings(TypedDict, total=False):
    """What `fer_bench.run` takes by keyword, for editors and type checkers: fields of Request, where they are said."""

    eps: str | None
    target: str | None
    n: int | None
    out: str | Path
    device: str
    batch_size: int | None
    seed: int
    rerun: Rerun
    transfer: bool
    classes: str | Sequence[str]
    input: str
    weights: Iterable[str]


@dataclass(frozen=True)
class Request:
    """A run as it is asked for: names are still names, and nothing has been opened. Sequences become tuples.

    Raises UsageError for a number of images or a batch size below 1.
    """

    #: 'all', names separated by commas, or names and ModelCards.
    models: str | Iterable[str | ModelCard] = "all"
    #: Attacks and suites with their settings, such as "pgd(steps=50,eps=4/255),cw".
    attacks: str | Iterable[str] = "pgd,cw"
    #: NAME[:PATH[:SPLIT]].
    data: str = "demo"
    #: Budgets in [0, 1] pixel units and security curves, such as "2/255,L2:0.5"; None: those of the protocol.
    eps: str | None = None
    #: The class to aim at: a word, 'least-likely' or 'random'; None: any wrong one.
    target: str | None = None
    #: How many images, those of smallest pixel digest, from 1; None: all.
    n: int | None = None
    #: The results folder.
    out: str | Path = "results"
    #: 'auto', 'cpu', 'cuda' or 'cuda:N'.
    device: str = "auto"
    #: Images attacked together, from 1; None: as many as are fastest.
    batch_size: int | None = None
    #: Of every random draw.
    seed: int = 0
    #: Which stored cells are run again: 'never', 'failed' or 'all'.
    rerun: Rerun = "failed"
    #: Whether the images made on each model are also judged on every other one.
    transfer: bool = False
    #: The outputs of a model of the user's own, in their order; a text separates them by commas.
    classes: str | Sequence[str] = ()
    #: What a model of the user's own takes, such as "224x224 RGB imagenet".
    input: str = ""
    #: NAME=FILE for models whose weights only the user can bring.
    weights: Iterable[str] = ()
    #: What was typed, for the provenance.
    command: str = "fer_bench.run(...)"

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"--batch-size {self.batch_size} cannot be used; give auto or a whole number from 1.")
        if self.n is not None and self.n < 1:
            raise UsageError(f"--n {self.n} cannot be used; give a whole number from 1.")
        for name in ("models", "attacks", "classes", "weights"):
            value = getattr(self, name)
            if not isinstance(value, str):  # an iterator could be read only once
                object.__setattr__(self, name, tuple(value))

    @classmethod
    def of(
        cls,
        models: str | Iterable[str | ModelCard] = "all",
        attacks: str | Iterable[str] = "pgd,cw",
        data: str = "demo",
        **settings: Unpack[Settings],
    ) -> Request:
        """The request of a call from Python. Raises UsageError for a setting that does not exist, with near misses."""
        known = [field.name for field in fields(cls) if field.name != "command"]
        for name in settings:
            if name not in known:
                raise unknown_name("setting", name, known)
        return cls(models, attacks, data, **settings)
