"""Recipe: everything that decides what a training does, checked, and nothing that it does not. It trains nothing."""

from __future__ import annotations

import math
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from fer_bench.core.digest import digest
from fer_bench.core.model_card import Task
from fer_bench.core.threat import format_eps
from fer_bench.errors import UsageError

Method = Literal["standard", "pgd-at", "fgsm-rs", "trades", "mart", "pyramid-at", "faat"]
MaskKind = Literal["landmark", "cam", "random-area", "none"]
MaskOn = Literal["delta", "step"]
Outer = Literal["task", "trades"]
FreqScale = Literal["absolute", "relative"]
Schedule = Literal["cosine", "one-cycle"]
Precision = Literal["auto", "float32", "bfloat16"]
VaLoss = Literal["mse+pcc+ccc", "mse"]


@dataclass(frozen=True)
class Option:
    """What the command line and the checks know of a field of Recipe; it stands in the field's metadata."""

    #: What the field is, in one line.
    help: str
    #: The words that it may be; empty for a number, a text or a switch.
    choices: tuple[str, ...] = ()
    #: Smallest number that it may be.
    low: float = -math.inf
    #: Largest number that it may be.
    high: float = math.inf
    #: The default in words, where its value does not say it.
    default: str = ""
    #: The methods that look at it; empty: all.
    methods: tuple[str, ...] = ()
    #: True for a size in [0, 1] pixel units, which people write as 4/255.
    pixels: bool = False
    #: False where the command line does not have it.
    offered: bool = True


_KEY = "option"
_ADVERSARIAL = tuple(method for method in get_args(Method) if method != "standard")
_STEPPING = tuple(method for method in _ADVERSARIAL if method != "fgsm-rs")
_FAAT = ("faat",)


def option_of(entry: Field[Any]) -> Option:
    """What the command line knows of a field of Recipe."""
    option: Option = entry.metadata[_KEY]
    return option


def flag(name: str) -> str:
    """How the command line writes the name of a field."""
    return "--" + name.replace("_", "-")


def _number(low: float, high: float, help: str, **more: Any) -> dict[str, Option]:  # noqa: A002  (as click says)
    """Metadata of a number from `low` to `high`, both included."""
    return {_KEY: Option(help, low=low, high=high, **more)}


def _word(choices: object, help: str, **more: Any) -> dict[str, Option]:  # noqa: A002
    """Metadata of one word of a Literal; where `help` has {} the words are listed."""
    words = get_args(choices)
    return {_KEY: Option(help.format(f"{', '.join(words[:-1])} or {words[-1]}"), words, **more)}


def _any(help: str, **more: Any) -> dict[str, Option]:  # noqa: A002
    """Metadata of what may be anything of its type."""
    return {_KEY: Option(help, **more)}


@dataclass(frozen=True)
class Recipe:
    """One training. Two equal recipes on the same data and machine give the same weights.

    What each field is stands beside it, for the reader and for `ferbench train --help`, which is made from it; comments
    say what has no room there. FAAT: docs/design/faat.md. Raises UsageError for what a field may not be.
    """

    method: Method = field(default="faat", metadata=_word(Method, "{}."))
    epochs: int = field(default=30, metadata=_number(1, 10_000, "Passes over the images."))
    batch_size: int = field(default=128, metadata=_number(2, 1_000_000, "Images in a step."))
    eps: float = field(default=4 / 255, metadata=_number(1e-6, 1, "Linf budget, pixels in [0, 1].", pixels=True))
    #: 0: the default, which for fgsm-rs is 1.25 eps.
    alpha: float = field(
        default=0.0,
        metadata=_number(
            0, 1, "Step of the inner attack.", pixels=True, default="a quarter of eps", methods=_ADVERSARIAL
        ),
    )
    #: fgsm-rs takes one whatever it says.
    steps: int = field(default=7, metadata=_number(1, 1000, "Steps of the inner attack.", methods=_STEPPING))
    lr: float = field(default=0.1, metadata=_number(1e-8, 100, "Largest learning rate (SGD)."))
    momentum: float = field(default=0.9, metadata=_number(0, 0.9999, "Nesterov's, of SGD; 0: none.", offered=False))
    weight_decay: float = field(default=5e-4, metadata=_number(0, 1, "Of weights, not of biases."))
    schedule: Schedule = field(default="cosine", metadata=_word(Schedule, "{}."))
    #: And of FAAT's, where `outer` is "trades".
    beta: float = field(
        default=6.0,
        metadata=_number(0, 1000, "Weight of TRADES' and MART's divergence.", methods=("trades", "mart", "faat")),
    )
    #: Relative to the norm of each weight.
    awp: float = field(
        default=0.0, metadata=_number(0, 1, "Adversarial weight perturbation; 0: none.", methods=_ADVERSARIAL)
    )
    #: The averaged weights are what is judged and kept.
    ema: float = field(default=0.995, metadata=_number(0, 0.999999, "Decay of the averaged weights; 0: none."))
    mask: MaskKind = field(default="landmark", metadata=_word(MaskKind, "FAAT: {}.", methods=_FAAT))
    mask_on: MaskOn = field(
        default="delta", metadata=_word(MaskOn, "FAAT: mask the final delta, or each step.", methods=_FAAT)
    )
    floor: float = field(default=0.3, metadata=_number(0, 1, "FAAT: smallest value of the mask.", methods=_FAAT))
    outer: Outer = field(
        default="task", metadata=_word(Outer, "FAAT: task (losses of both images) or trades (beta).", methods=_FAAT)
    )
    freq: bool = field(
        default=True, metadata=_any("FAAT: frequency loss between clean and adversarial features.", methods=_FAAT)
    )
    freq_weight: float = field(
        default=30.0, metadata=_number(0, 1e6, "FAAT: weight of the frequency loss.", methods=_FAAT)
    )
    freq_scale: FreqScale = field(
        default="absolute",
        metadata=_word(
            FreqScale,
            "FAAT: frequency loss as it is (absolute), or relative to the features' variance.",
            methods=_FAAT,
        ),
    )
    clean_weight: float = field(
        default=0.5, metadata=_number(0, 1000, "FAAT: weight of the clean loss.", methods=_FAAT)
    )
    #: By its name in the network; empty: the default, of `features.default_stage`.
    stage: str = field(
        default="",
        metadata=_any("Module of the frequency loss and the CAM.", default="last of 1/8 side", methods=_FAAT),
    )
    va_loss: VaLoss = field(default="mse+pcc+ccc", metadata=_word(VaLoss, "Valence-arousal loss: that, or mse."))
    shift: int = field(default=4, metadata=_number(0, 64, "Augmentation: largest shift in pixels."))
    precision: Precision = field(
        default="auto", metadata=_word(Precision, "auto (the faster here), float32 or bfloat16.")
    )
    held_out: int = field(default=1000, metadata=_number(1, 1_000_000, "Images kept to choose the epoch."))
    judge_steps: int = field(default=10, metadata=_number(1, 1000, "PGD steps of that choice."))
    seed: int = field(default=0, metadata=_any("Seed of weights, order and draws."))

    def __post_init__(self) -> None:
        for entry in fields(self):
            option, value = option_of(entry), getattr(self, entry.name)
            if option.choices and value not in option.choices:
                raise UsageError(f"{flag(entry.name)} {value} cannot be used; give {', '.join(option.choices)}.")
            if math.isfinite(option.low) and not option.low <= value <= option.high:
                raise UsageError(
                    f"{flag(entry.name)} {value} cannot be used; give a number from {option.low:g} to {option.high:g}."
                )

    @property
    def adversarial(self) -> bool:
        """True where training looks for adversarial images."""
        return self.method != "standard"

    @property
    def uses_mask(self) -> bool:
        """True where the inner maximisation is masked."""
        return self.method == "faat" and self.mask != "none"

    @property
    def uses_landmarks(self) -> bool:
        """True where the faces' landmarks are needed; 'random-area' moves the landmark masks elsewhere."""
        return self.uses_mask and self.mask != "cam"

    @property
    def uses_freq(self) -> bool:
        """True where the frequency loss is part of the outer loss."""
        return self.method == "faat" and self.freq and self.freq_weight > 0

    @property
    def uses_stage(self) -> bool:
        """True where the maps of a stage are looked at."""
        return self.uses_freq or (self.uses_mask and self.mask == "cam")

    @property
    def step_size(self) -> float:
        """Size of one step of the inner maximisation."""
        return self.alpha or self.eps * (1.25 if self.method == "fgsm-rs" else 0.25)

    @property
    def digest(self) -> str:
        """sha256 over all fields."""
        return digest(asdict(self))

    def fits(self, task: Task) -> None:
        """Raises UsageError where the method has no form for the task."""
        if task == "va" and self.method == "mart":
            raise UsageError("--method mart weighs by class probabilities and has no form for valence and arousal.")
        if task == "va" and self.uses_mask and self.mask == "cam":
            raise UsageError("--mask cam needs class scores and has no form for valence and arousal.")

    def describe(self) -> str:
        """The recipe in words, as `name=value` pairs, without what the method does not use."""
        unused = {f.name for f in fields(self) if self.method not in (option_of(f).methods or [self.method])}
        if self.method == "faat":
            unused.add("beta" if self.outer == "task" else "clean_weight")
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in unused | {"precision"}}
        shown["eps"] = format_eps(self.eps, "Linf")
        return ", ".join(f"{name}={value}" for name, value in shown.items() if value not in ("", None))
