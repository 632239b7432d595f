"""Which attack stands in which closed-form test, with the settings that keep it small; it must test nothing itself.

A new attack goes into one of the tables; tests/attacks/test_costs_and_rows.py fails until it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from attacks import ATTACKS, AttackCard
from attacks.corruptions.functions import CORRUPTIONS
from fer_bench.core.threat import Norm


class Changed(nn.Module):
    """The same classifier with all logits scaled, then moved by a constant."""

    def __init__(self, model: nn.Module, scale: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        self.model, self.scale, self.shift = model, scale, shift

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(images) * self.scale + self.shift
        return logits


#: The cards whose closed forms are here and in the files of warp, universal and hopskipjump, not in test_attacks.py.
OF_FACES = {
    "fgsm-cam",
    "pgd-cam",
    "pyramid-cam",
    "pyramid",
    "pgd-low",
    "pgd-high",
    "warp",
    "universal",
    "hopskipjump",
    *CORRUPTIONS,
}


@dataclass(frozen=True)
class Case:
    """An attack under test.

    `slack`: how far above the closed-form optimum it must succeed, with the `reason` where that is not a quarter.
    """

    name: str
    norm: Norm
    settings: Mapping[str, object] = field(default_factory=dict)
    slack: float = 1.25
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name}-{self.norm}"

    @property
    def overrides(self) -> dict[str, object]:
        """The settings with the norm."""
        return {**self.settings, "norm": self.norm}


#: Attacks that spend a budget: they succeed at `slack` times the optimum, and never below it.
BUDGET = (
    Case("fgsm", "Linf"),
    Case("bim", "Linf"),
    Case("pgd", "Linf", {"steps": 20}),
    Case("mifgsm", "Linf"),
    Case("pgdl2", "L2", {"steps": 20}),
    Case("ffgsm", "Linf"),
    Case("rfgsm", "Linf"),
    Case("eotpgd", "Linf"),
    Case("tpgd", "Linf", {"restarts": 12}),  # each restart leaves the clean answer in a direction drawn by chance
    Case("jitter", "Linf"),
    Case("pgdrs", "Linf"),
    Case("pgdrsl2", "L2"),
    Case("nifgsm", "Linf"),
    Case("sinifgsm", "Linf"),
    Case("vmifgsm", "Linf"),
    Case("vnifgsm", "Linf"),
    Case("difgsm", "Linf"),
    Case("tifgsm", "Linf", {"kernel": 3}),  # a wider kernel smooths the toy's gradient, which is noise, away
    Case("pifgsm", "Linf"),
    Case("pifgsmpp", "Linf"),
    Case("upgd", "Linf"),
    Case("upgd", "Linf", {"objective": "ce"}),
    Case("apgd-ce", "Linf", {"steps": 20}),
    Case("apgd-ce", "L2", {"steps": 20}),
    Case("apgd-dlr", "Linf", {"steps": 20}),
    Case("apgd-dlr", "L2", {"steps": 20}),
    Case("apgd-t", "Linf", {"steps": 20}),
    Case("spsa", "Linf", {"steps": 8, "samples": 96, "alpha": "eps/2"}),
    Case(
        "square",
        "Linf",
        {"queries": 2500},
        1.7,
        "in the reference code too its windows never cover the last row or column: on 8x8 images 15 of 64 pixels keep "
        "their first random sign",
    ),
    Case(
        "noise",
        "Linf",
        {"draws": 300},
        4,
        "it is a control: of 300 random corners the best reaches about 3 standard deviations, the optimum is at 6.4",
    ),
    Case("noise", "L2", {"draws": 300}, 4, "as above, in directions: 3 of 8 standard deviations"),
)

#: Attacks that search the smallest perturbation: they come within `slack` of it, and not below.
MINIMUM = (
    Case("cw", "L2", {"c": 10, "steps": 500}),
    Case("cw-search", "L2", {"steps": 100}),
    Case("fab-t", "Linf", {"steps": 30}),
    Case("fab-t", "L2", {"steps": 30}),
    Case("deepfool", "L2"),
    Case("deepfool", "Linf"),
    Case("fmn", "L2"),
    Case("fmn", "Linf"),
    Case("fmn", "L1"),
    Case("ddn", "L2"),
    Case("eadl1", "L1"),
    Case("eaden", "L2"),
    Case("fmn", "L0", {}, 1.0),
    Case("sparsefool", "L0", {"lam": 1}, 1.0),
    Case("jsma", "L0", {"gamma": 0.9}, 2.0, "it only brightens, and moves pixels in pairs: its own optimum is tested"),
    Case("pixle", "L0", {}, 64.0, "it rewrites patches of up to 100 pixels and keeps the first success"),
)

#: An L0 budget is a number of pixels, so that a quarter above the optimum means nothing: tested at the optimum itself.
PIXELS = (Case("onepixel", "L0", {"generations": 20, "population": 60}),)

#: No attacks: what they do is tested as such.
CONTROLS = ("vanila", "gn")

#: Attacks tested in another file, which is named.
ELSEWHERE: dict[str, str] = {
    "ccc": "fer_bench/engine/test_va_goals.py",
    **dict.fromkeys(OF_FACES, "attacks/face/test_face_attacks.py"),
}

#: Whose verdicts depend on the batch in float64 too.
BATCH_DEPENDENT = {"fab-t": "torchattacks computes it in float32, where another batch shape rounds differently"}

#: What keeps one run of an attack small; a parameter that is not here keeps its default.
_SMALL = {
    "steps": 4,
    "queries": 20,
    "searches": 2,
    "generations": 2,
    "population": 8,
    "samples": 8,
    "copies": 2,
    "neighbours": 2,
    "rounds": 2,
    "tries": 3,
    "draws": 3,
    "kernel": 3,
}


def runnable() -> list[str]:
    """The names of all attacks but the refused ones and those tested elsewhere."""
    return [card.name for card in ATTACKS if card.status != "refused" and card.name not in ELSEWHERE]


def refused() -> list[str]:
    """The names of the attacks that are listed with the reason why they are not offered."""
    return [card.name for card in ATTACKS if card.status == "refused"]


def small(card: AttackCard, **more: object) -> dict[str, object]:
    """Settings with which one run of the attack is quick."""
    chosen = {p.name: max(_SMALL[p.name], int(p.low or 0)) for p in card.parameters if p.name in _SMALL}
    return {**chosen, **more}


def budget(card: AttackCard, eps: float) -> float | None:
    """`eps` as the attack takes it: none for a minimum-norm attack, 1 where it is a count (pixels, levels)."""
    if card.minimum_norm:
        return None
    return 1.0 if card.norms[0] in ("L0", "severity") else eps
