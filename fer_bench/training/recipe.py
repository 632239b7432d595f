"""Recipe: everything that decides what a training does, checked, and nothing that it does not. It trains nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

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
class Recipe:
    """One training. Two equal recipes on the same data and machine give the same weights.

    `eps`, `alpha` (0: a quarter of eps; for fgsm-rs 1.25 eps): Linf, for pixels in [0, 1]. `steps`: of the inner
    maximisation; fgsm-rs takes one whatever it says. `beta`: of TRADES, MART and FAAT's `outer` "trades". `awp`: size
    of the adversarial weight perturbation relative to each weight's norm, 0 for none. `ema`: decay of the averaged
    weights, 0 for none; the averaged weights are what is judged and kept. `mask`, `mask_on`, `floor`, `outer`, `freq`,
    `freq_weight`, `freq_scale`, `clean_weight` belong to FAAT (`docs/design/faat.md`). `stage`: name of the module
    whose output the frequency loss and the CAM mask look at; empty: chosen by `features.default_stage`. `held_out`:
    images of the training set that are kept for choosing the epoch, with PGD of `judge_steps` steps.
    """

    method: Method = "faat"
    epochs: int = 30
    batch_size: int = 128
    eps: float = 4 / 255
    alpha: float = 0.0
    steps: int = 7
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Schedule = "cosine"
    beta: float = 6.0
    awp: float = 0.0
    ema: float = 0.995
    mask: MaskKind = "landmark"
    mask_on: MaskOn = "delta"
    floor: float = 0.3
    outer: Outer = "task"
    freq: bool = True
    freq_weight: float = 30.0
    freq_scale: FreqScale = "absolute"
    clean_weight: float = 0.5
    stage: str = ""
    va_loss: VaLoss = "mse+pcc+ccc"
    shift: int = 4
    precision: Precision = "auto"
    held_out: int = 1000
    judge_steps: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES:
            if getattr(self, name) not in choices:
                raise UsageError(f"{_option(name)} {getattr(self, name)} cannot be used; give {', '.join(choices)}.")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{_option(name)} {value} cannot be used; give a number from {low:g} to {high:g}.")

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
        unused = {name for name, methods in _BELONGS.items() if self.method not in methods}
        if self.method == "faat":
            unused.add("beta" if self.outer == "task" else "clean_weight")
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in unused | {"precision"}}
        shown["eps"] = format_eps(self.eps, "Linf")
        return ", ".join(f"{name}={value}" for name, value in shown.items() if value not in ("", None))


_ADVERSARIAL = tuple(method for method in get_args(Method) if method != "standard")
#: Which methods look at a field; fields that are not here belong to all.
_BELONGS: dict[str, tuple[str, ...]] = {
    "alpha": _ADVERSARIAL,
    "steps": tuple(method for method in _ADVERSARIAL if method != "fgsm-rs"),
    "beta": ("trades", "mart", "faat"),
    "awp": _ADVERSARIAL,
    **dict.fromkeys(
        ("mask", "mask_on", "floor", "outer", "freq", "freq_weight", "freq_scale", "clean_weight", "stage"), ("faat",)
    ),
}
_CHOICES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("method", get_args(Method)),
    ("mask", get_args(MaskKind)),
    ("mask_on", get_args(MaskOn)),
    ("outer", get_args(Outer)),
    ("freq_scale", get_args(FreqScale)),
    ("schedule", get_args(Schedule)),
    ("precision", get_args(Precision)),
    ("va_loss", get_args(VaLoss)),
)
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("epochs", 1, 10_000),
    ("batch_size", 2, 1_000_000),
    ("eps", 1e-6, 1),
    ("alpha", 0, 1),
    ("steps", 1, 1000),
    ("lr", 1e-8, 100),
    ("momentum", 0, 0.9999),
    ("weight_decay", 0, 1),
    ("beta", 0, 1000),
    ("awp", 0, 1),
    ("ema", 0, 0.999999),
    ("floor", 0, 1),
    ("freq_weight", 0, 1e6),
    ("clean_weight", 0, 1000),
    ("shift", 0, 64),
    ("held_out", 1, 1_000_000),
    ("judge_steps", 1, 1000),
)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
