"""Suites: attacks run one after the other, each on what the ones before left standing. Definitions, no attack.

A suite is a cell of its own: its number is the share of samples that withstand all of it. The cheapest attack goes
first and Square last. What one stage broke is its share of the suite's kills, never that attack's robust accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attacks.card import AttackCard
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.digest import digest
from fer_bench.core.threat import Norm, ThreatModel, budget, format_eps, parse_number
from fer_bench.engine.attack import Attack, by_stages
from fer_bench.errors import UsageError
from fer_bench.registry import Registry, unknown_name

Settings = tuple[tuple[str, str], ...]
#: Settings of a curve that are fields of its spec.
_TYPED = ("target", "region", "loss", "tolerance")


@dataclass(frozen=True)
class SuiteCard:
    """A suite: its stages in order, each an attack's name and settings; other settings are the attack's defaults.

    The order changes what a suite costs, not its number. Settings of a stage can be overridden: 'square.queries=1000'.
    """

    #: As `--attacks` has it.
    name: str
    #: One line for people.
    title: str
    #: Who made it, and where it is described.
    source: str
    #: The name and the settings of each attack, in the order in which they run.
    stages: tuple[tuple[str, Settings], ...]
    #: What a user must know of it.
    notes: tuple[str, ...] = ()
    #: The norms that it serves, the first by default.
    norms: tuple[Norm, ...] = ("Linf",)
    #: Other names of it.
    aliases: tuple[str, ...] = ()

    def attack(self, known: Registry[AttackCard], overrides: Mapping[str, str], eps: float | None = None) -> Attack:
        """The suite at one budget, ready to run. Raises UsageError, naming the setting, before any work is done."""
        own = {name: value for name, value in overrides.items() if name not in ("eps", "norm")}
        norm = self.norm(overrides)
        eps = budget(self.name, norm, overrides.get("eps", eps))
        stages = tuple(
            known.get(name).attack({**dict(settings), **self._of(name, own), "norm": norm, "eps": repr(eps)})
            for name, settings in self.stages
        )
        words = [f"{name}={value}" for name, value in own.items()]
        if norm != self.norms[0]:
            words.insert(0, f"norm={norm}")
        label = f"{self.name}({','.join(words)})" if words else self.name
        spec = AttackSpec(
            name=self.name,
            threat=ThreatModel(norm, eps),
            params=tuple(own.items()),
            version=1,
            label=label,
            stages=tuple(stage.spec.label for stage in stages),
            stages_digest=_digest(stages),
        )
        return Attack(spec, by_stages, stages=stages)

    def norm(self, overrides: Mapping[str, str]) -> Norm:
        """The norm that these settings ask for. Raises UsageError for one the suite does not serve."""
        asked = overrides.get("norm", self.norms[0])
        for norm in self.norms:
            if norm.lower() == asked.lower():
                return norm
        raise UsageError(f"{self.name}: norm={asked} is not served; it serves {' and '.join(self.norms)}.")

    def _of(self, stage: str, overrides: Mapping[str, str]) -> dict[str, str]:
        """The overrides that are for this stage, checked that each is for some stage."""
        names = list(dict.fromkeys(name for name, _ in self.stages))
        for key in overrides:
            if key.partition(".")[0] not in names or "." not in key:
                raise unknown_name(f"setting of {self.name}", key, ["eps", "norm", *(f"{n}.PARAMETER" for n in names)])
        return {key.partition(".")[2]: value for key, value in overrides.items() if key.partition(".")[0] == stage}


#: Stages of the suite "full", by cost.
_FULL = (
    *("fgsm", "ffgsm", "fgsm-cam", "rfgsm", "bim", "mifgsm", "upgd", "jitter", "difgsm", "tifgsm", "pifgsm"),
    *("pifgsmpp", "tpgd", "nifgsm", "eotpgd", "pgd", "pgd-cam", "pgd-low", "pgd-high", "pyramid", "pyramid-cam"),
    *("pgdrs", "sinifgsm", "vmifgsm", "vnifgsm", "apgd-ce", "apgd-dlr", "deepfool", "fmn", "apgd-t", "fab-t"),
    *("spsa", "square"),
)

#: Every suite by name; third-party packages add theirs through the entry-point group "ferbench.suites".
SUITES: Registry[SuiteCard] = Registry("suite", "ferbench.suites")

for _card in (
    SuiteCard(
        name="quick",
        title="A first look: FGSM, then PGD of 10 steps",
        source="this project",
        stages=(("fgsm", ()), ("pgd", (("steps", "10"),))),
    ),
    SuiteCard(
        name="standard",
        title="AutoAttack, standard version, at the reference settings",
        source="Croce and Hein, ICML 2020, arXiv:2003.01690; torchattacks' parts, not its AutoAttack",
        stages=(("apgd-ce", ()), ("apgd-t", ()), ("fab-t", ()), ("square", ())),
        aliases=("autoattack",),
        notes=(
            "torchattacks.AutoAttack never passes its steps on, so that its parts run 10; here they run 100.",
            "torchattacks assumes 10 classes and breaks on fewer; the model's own number is used.",
            "Each stage attacks what the ones before left standing, pooled over all batches.",
        ),
    ),
    SuiteCard(
        name="paper",
        title="The test-time attacks that FAAT was made against: FGSM, PGD, PyramidAT, and each behind a CAM mask",
        source="Kim et al., Neurocomputing 584, 127588, 2024, as far as its public traces tell (docs/attacks/fer.md)",
        stages=(("fgsm", ()), ("fgsm-cam", ()), ("pgd", ()), ("pgd-cam", ()), ("pyramid", ()), ("pyramid-cam", ())),
        notes=(
            "The paper's code and text are not public: the list is that of an import in its group's public code, and "
            "steps and step sizes are this project's.",
        ),
    ),
    SuiteCard(
        name="full",
        title="Every Linf attack of the box that attacks each sample by itself, cheapest first, Square last",
        source="this project",
        stages=tuple((name, ()) for name in _FULL),
        notes=(
            "Without hopskipjump, which sees less than square at many times its cost, and without controls (noise, gn, "
            "vanila).",
        ),
    ),
):
    SUITES.register(_card.name, _card)


def suite_of(name: str) -> SuiteCard | None:
    """The suite of that name or alias; None where there is none."""
    return next((card for card in SUITES if name in (card.name, *card.aliases)), None)


def curve(card: AttackCard, settings: Mapping[str, str], levels: Sequence[float]) -> Attack:
    """The curve of an attack at `levels` (pixels in [0, 1], rising).

    The levels are those that nine decimals of 255ths can write, so that the stored ones are the ones attacked.
    Parameters written in terms of eps ('eps/4') follow each level. The cell keeps the smallest budget at which a sample
    fell through the norm of its perturbation, and is read at its own levels.
    """
    norm = card.norm(settings)
    written = [format_eps(level, norm) for level in levels]
    stages = tuple(card.attack(settings, parse_number(level)) for level in written)
    first = stages[0].spec
    spec = AttackSpec(
        name=card.name,
        threat=ThreatModel(norm, math.inf, settings.get("region", "")),
        params=tuple((name, value) for name, value in settings.items() if name not in _TYPED),
        version=card.version,
        record="smallest",
        label=f"{first.label} curve",
        target=settings.get("target", ""),
        loss=settings.get("loss", ""),
        tolerance=first.tolerance,
        levels=tuple(parse_number(level) for level in written),
        stages_digest=_digest(stages),
        order=("levels", *settings, "digest"),
    )
    return Attack(spec, by_stages, stages=stages)


def _digest(stages: Sequence[Attack]) -> str:
    """What the stages are, as 16 hex digits."""
    return digest([[a.spec.name, a.spec.key_params(), a.spec.version] for a in stages])[:16]
