"""The nouns of the benchmark: frozen, without I/O, and without knowledge of any particular model, attack or page."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fer_bench.cards import UNSEEN as UNSEEN
from fer_bench.cards import CardFile as CardFile
from fer_bench.cards import Finding as Finding
from fer_bench.cards import LocalFile as LocalFile
from fer_bench.cards import PackageFile as PackageFile
from fer_bench.cards import PublishedAccuracy as PublishedAccuracy
from fer_bench.cards import UserFile as UserFile
from fer_bench.cards import WebFile as WebFile

if TYPE_CHECKING:
    import torch

Task = Literal["expression", "va"]
#: The outputs of a model of task "va", in order.
VALENCE_AROUSAL = ("valence", "arousal")
#: Linf, L2, L1: of the pixel difference. L0: changed pixel positions. flow: largest displacement, in pixels.
#: severity: the level of a corruption, 1 to 5. The last two are budgets by construction: no pixel tells them.
Norm = Literal["Linf", "L2", "L1", "L0", "flow", "severity"]
NORMS: tuple[Norm, ...] = ("Linf", "L2", "L1", "L0", "flow", "severity")
Rows = Literal["aligned", "shrinking", "own", "single"]
Record = Literal["first", "smallest", "largest"]
ParamValue = int | float | str | bool
Params = tuple[tuple[str, ParamValue], ...]


def digest(value: object) -> str:
    """sha256 (hex) of `value` as canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def format_eps(eps: float, norm: Norm) -> str:
    """`eps` as the field writes it: Linf in 255ths ('8/255', '0.5/255'), other norms as a decimal ('0.5', '12').

    An infinite budget, that of an attack that searches the smallest perturbation, is written 'minimum'.
    """
    if math.isinf(eps):
        return "minimum"
    if norm == "Linf":
        return f"{round(eps * 255, 9):g}/255"
    return f"{eps:g}"


# --------------------------------------------------------------------------------------------------------- models


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model and how to build it.

    `build` takes the local paths of `files`, in that order, and returns an `nn.Module` in eval mode that maps
    images `(batch, channels, height, width)` in [0, 1], one (gray) or three (RGB) channels, any height and width,
    to logits `(batch, len(classes))`. Resizing, colour and normalisation are inside it and differentiable.
    `classes` are the model's outputs in order, in the words of `fer_bench.labels`. A model of task "va" has the
    classes ("valence", "arousal") and answers `(batch, 2)` in [-1, 1]. `revision` is raised by hand
    whenever a change of the code could change an output. Facts nobody knows are "unknown", never left out (0 for a
    number). A note that begins with `UNSEEN` says that nobody here could run these weights. `own` is what the user
    wrote after `--models` for a model of their own. `setup` is what else decides an output: the
    architecture and input of a user's model, then the defences in front of a model, the one nearest to the image first.
    """

    name: str
    title: str
    task: Task
    classes: tuple[str, ...]
    input: str
    parameters: int
    paper: str
    year: int
    licence: str
    files: tuple[CardFile, ...]
    build: Callable[[Sequence[Path]], torch.nn.Module] = field(repr=False, compare=False)
    accuracy: tuple[PublishedAccuracy, ...] = ()
    family: str = "unknown"
    trained_on: str = "unknown"
    revision: int = 1
    defended: bool = False
    contaminated: str = ""
    notes: tuple[str, ...] = ()
    own: str = ""
    setup: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """sha256 over weights, the code's revision and the setup: what can change an output.

        A brought file counts by its content alone, wherever it lies and whatever it is called.
        """
        weights = [file.identity for file in self.files if not isinstance(file, UserFile)]
        known = {"name": self.name, "weights": weights, "classes": self.classes, "revision": self.revision}
        return digest(known | ({"setup": self.setup} if self.setup else {}))

    @property
    def verified(self) -> bool:
        """True where this project has seen the weights and what the model does with them."""
        seen = not any(note.startswith(UNSEEN) for note in self.notes)
        return seen and all(file.pinned for file in self.files) and not self.own


# ---------------------------------------------------------------------------------------------------------- attacks


@dataclass(frozen=True)
class ThreatModel:
    """What the attacker may do: the norm of the perturbation and its budget `eps`, for pixels in [0, 1].

    A gray image counts one channel. `eps` is infinite for an attack that searches the smallest perturbation.
    `region` names the part of the face that may be touched (`fer_bench.landmarks`); empty: all of the image.
    """

    norm: Norm
    eps: float
    region: str = ""

    def __str__(self) -> str:
        where = f" {self.region}" if self.region else ""
        return f"{self.norm}@{format_eps(self.eps, self.norm)}{where}"

    @property
    def tolerance(self) -> float:
        """Rounding allowed on top of `eps` for an image in float32.

        1e-6, and for L2 1e-6 of eps besides; for L1, a sum over all pixels, 1e-5 of eps; L0 counts and has none.
        """
        if self.norm == "L0":
            return 0.0
        return 1e-6 + {"L2": 1e-6, "L1": 1e-5}.get(self.norm, 0.0) * (self.eps if math.isfinite(self.eps) else 0.0)

    @property
    def by_construction(self) -> bool:
        """True where the attack states the size of what it did, because the pixels do not tell it."""
        return self.norm in ("flow", "severity")


@dataclass(frozen=True)
class Parameter:
    """One setting of an attack: its default, its range (both ends allowed unless `open_low`) and what it means.

    `low` and `high` bound numbers; `choices` bound words. `steps=0` and `eps=-1` are refused by these.
    """

    name: str
    default: ParamValue
    meaning: str
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class AttackSpec:
    """An attack with every parameter set: exactly what is done.

    `record`: keep the first adversarial image within the budget, or (minimum-norm attacks, which have no `eps`) the
    one of smallest norm, or (regressors, no tolerance) the one of largest loss. `version` is raised by hand whenever
    the attack's own code could change a verdict. `label` is how tables call it: the name, and the parameters that
    differ from the card's defaults.
    """

    name: str
    norm: Norm
    params: Params
    version: int
    record: Record = "first"
    label: str = field(default="", compare=False)

    def param(self, name: str) -> ParamValue:
        """The value of the parameter `name`."""
        return dict(self.params)[name]

    def number(self, name: str) -> float:
        """The value of the numeric parameter `name`."""
        value = self.param(name)
        if isinstance(value, str):
            raise TypeError(f"parameter {name} of {self.name} is a word, not a number")
        return float(value)

    def word(self, name: str) -> str:
        """The value of a setting that is a word and need not be set: 'region', 'target'; empty where it is not."""
        return str(dict(self.params).get(name, ""))

    @property
    def target(self) -> str:
        """The class that the attack aims at: a class word, 'least-likely', 'random', or empty (any wrong class)."""
        return self.word("target")

    @property
    def loss(self) -> str:
        """What is raised on a regressor (`fer_bench.va.LOSSES`); empty for an attack on a classifier."""
        return self.word("loss")

    @property
    def tolerance(self) -> float | None:
        """The loss above which a regressor's prediction counts as broken; None where the largest loss is sought."""
        return self.number("tolerance") if "tolerance" in dict(self.params) else None

    @property
    def levels(self) -> tuple[float, ...]:
        """The rising budgets of a security curve; empty for any other attack."""
        return tuple(parse_number(text) for text in self.word("levels").split(",") if text)

    @property
    def source(self) -> str:
        """For a transfer cell the name of the model that the images were made on; empty otherwise."""
        return self.word("source")

    def integer(self, name: str) -> int:
        """The value of the whole-number parameter `name`."""
        return int(self.number(name))

    @property
    def minimum_norm(self) -> bool:
        """True where the attack searches the smallest perturbation instead of spending a budget."""
        return self.record == "smallest"

    @property
    def threat(self) -> ThreatModel:
        """Norm, budget and region; the budget of a minimum-norm attack is infinite."""
        return ThreatModel(self.norm, math.inf if self.minimum_norm else self.number("eps"), self.word("region"))


# ------------------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class EvalSet:
    """Images to evaluate on, in the order of the sha256 of their decoded pixels.

    `images`: float32 `(n, channels, height, width)` in [0, 1], channels 1 or 3. `labels`: int64 `(n,)`, indices into
    `classes` (-1: none). `values`, for regressors: float32 `(n, 2)`, valence and arousal in [-1, 1]. `ids`: sha256 of
    shape and 8-bit pixels, '#2' after the second of two equal images. `source`: the `--data` text that opens it again.
    """

    name: str
    source: str
    images: torch.Tensor = field(repr=False)
    labels: torch.Tensor = field(repr=False)
    classes: tuple[str, ...]
    ids: tuple[str, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    values: torch.Tensor | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def task(self) -> Task:
        """What the set is for: "va" where it has `values`, else "expression"."""
        return "expression" if self.values is None else "va"

    @property
    def digest(self) -> str:
        """sha256 over ids, labels and class names, and over the values of a set that has them."""
        content = {"ids": self.ids, "labels": self.labels.tolist(), "classes": self.classes}
        return digest(content if self.values is None else content | {"values": self.values.tolist()})


# ------------------------------------------------------------------------------------------------- cells and outcomes


@dataclass(frozen=True)
class Cell:
    """One number of the matrix: exactly what can change it, and nothing else."""

    model: str
    model_digest: str
    attack: AttackSpec
    data: str
    data_digest: str
    n: int
    seed: int

    @property
    def key(self) -> str:
        """The cell's identity, 16 hex digits of a sha256."""
        attack = self.attack
        return digest(
            {
                "model": [self.model, self.model_digest],
                "attack": [attack.name, attack.norm, attack.params, attack.version],
                "data": [self.data_digest, self.n],
                "seed": self.seed,
            }
        )[:16]

    @property
    def draw_seed(self) -> int:
        """Seed of the cell's random draws."""
        return draw_seed(self.seed, self.attack)


def draw_seed(seed: int, attack: AttackSpec) -> int:
    """Seed (63 bits) of every random draw: the user's seed and the attack, so that n does not change a draw."""
    return int(digest([seed, attack.name, attack.norm, attack.params, attack.version])[:15], 16)


def parse_number(text: str) -> float:
    """A number as people write it: '0.03', '0.5/255', '1e-3'. Raises ValueError (8/255/2) or ZeroDivisionError."""
    numerator, slash, denominator = text.partition("/")
    return float(numerator) / float(denominator) if slash else float(text)
