"""Linf attacks made to transfer: momentum, look-ahead, variance tuning, input diversity, patches. Cards and programs.

All of them divide the gradient by its mean size. Where it is exactly zero that is 0/0, and torchattacks then leaves
the sample where it is for the rest of the attack: a flag is raised, see docs/design/torchattacks.md.
"""

from __future__ import annotations

import torch

from attacks.parameters import alpha, linf, settings, steps
from attacks.wrapped import adapter
from attacks.wrapped.shims import LookAhead, ThreeChannels, gaussian, resized_and_padded
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.observer import Observer

_DECAY = Parameter("decay", 1.0, "momentum's decay factor", low=0, high=100)
_NO_DECAY = Parameter("decay", 0.0, "momentum's decay factor", low=0, high=100)
_SCALES = Parameter("m", 5, "copies of the image, each half as bright as the one before", low=1, high=100)
_NEIGHBOURS = Parameter("neighbours", 5, "points around the iterate whose gradients are averaged", low=1, high=1000)
_BETA = Parameter("beta", 1.5, "radius of the neighbourhood, in eps", low=0, high=100, open_low=True)
_SMALLEST = Parameter("resize", 0.9, "smallest size that the image is shrunk to", low=0, high=1, open_low=True)
_CHANCE = Parameter("chance", 0.5, "probability that a step shrinks the image", low=0, high=1)
_KERNEL = Parameter("kernel", 15, "side of the Gaussian that smooths the gradient, an odd number", low=1, high=301)
_AMPLIFY = Parameter("amplification", 10.0, "factor on a step of eps/steps", low=0, high=1000, open_low=True)

_LOOK_AHEAD_NOTE = (
    "It asks for gradients ahead of its iterate, outside the budget; the projection of that point is scored besides."
)
_SHARED_NOTE = (
    "One random resizing a step, shared by all samples and keyed by the step. torchattacks makes non-square images "
    "square; here they keep their shape."
)
_GRAY_NOTE = "torchattacks hard-codes three channels and float32; here gray images and float64 are served too."


def _nifgsm(spec: AttackSpec, observer: Observer) -> None:
    shim = LookAhead(observer)
    observer.attack(adapter.whole("NIFGSM", observer, shim, **settings(spec, "alpha", "steps", "decay")))


def _sinifgsm(spec: AttackSpec, observer: Observer) -> None:
    shim = LookAhead(observer, every=spec.integer("m"))
    observer.attack(adapter.whole("SINIFGSM", observer, shim, **settings(spec, "alpha", "steps", "decay", "m")))


def _vmifgsm(spec: AttackSpec, observer: Observer) -> None:
    chosen = settings(spec, "alpha", "steps", "decay", "beta")
    observer.attack(adapter.whole("VMIFGSM", observer, N=spec.integer("neighbours"), **chosen))


def _vnifgsm(spec: AttackSpec, observer: Observer) -> None:
    chosen = settings(spec, "alpha", "steps", "decay", "beta")
    count = spec.integer("neighbours")
    observer.attack(adapter.whole("VNIFGSM", observer, LookAhead(observer, every=count + 1), N=count, **chosen))


def _difgsm(spec: AttackSpec, observer: Observer) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        attack = adapter.build("DIFGSM", observer, **settings(spec, "alpha", "steps", "decay"))
        attack.input_diversity = lambda x: resized_and_padded(x, spec.number("resize"), spec.number("chance"))
        moved: torch.Tensor = attack(images, labels)
        return moved

    observer.attack(call)


def _tifgsm(spec: AttackSpec, observer: Observer) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        attack = adapter.build("TIFGSM", observer, ThreeChannels(observer), **settings(spec, "alpha", "steps", "decay"))
        attack.stacked_kernel = gaussian(spec.integer("kernel"), 3, 3, images)
        attack.input_diversity = lambda x: resized_and_padded(x, spec.number("resize"), spec.number("chance"))
        moved: torch.Tensor = attack(images.expand(-1, 3, -1, -1), labels)
        return moved[:, : images.shape[1]]

    observer.attack(call)


def _patchwise(kind: str, spec: AttackSpec, observer: Observer) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        attack = adapter.build(
            kind,
            observer,
            ThreeChannels(observer),
            max_epsilon=spec.threat.eps,
            num_iter_set=spec.integer("steps"),
            amplification=spec.number("amplification"),
        )
        ring = torch.ones(3, 1, 3, 3, dtype=images.dtype, device=images.device) / 8
        ring[:, :, 1, 1] = 0
        attack.project_kern = lambda side: (ring, 1)
        attack.gaussian_kern = lambda side, sigmas: gaussian(side, sigmas, 3, images)
        moved: torch.Tensor = attack(images.expand(-1, 3, -1, -1), labels)
        return moved[:, : images.shape[1]]

    observer.attack(call)


def _pifgsm(spec: AttackSpec, observer: Observer) -> None:
    _patchwise("PIFGSM", spec, observer)


def _pifgsmpp(spec: AttackSpec, observer: Observer) -> None:
    _patchwise("PIFGSMPP", spec, observer)


def _upgd(spec: AttackSpec, observer: Observer) -> None:
    chosen = settings(spec, "alpha", "steps", "decay") | {"loss": spec.param("objective")}
    observer.attack(adapter.with_both_labels("UPGD", observer, random_start=False, eot_iter=1, **chosen))


_ITERATED = (steps(10), alpha("eps/10"), _DECAY)

CARDS = (
    linf(
        "nifgsm",
        "Nesterov iterative FGSM",
        "Lin et al., ICLR 2020, arXiv:1908.06281; torchattacks.NIFGSM",
        _ITERATED,
        ("2 steps + 1", "steps"),
        _nifgsm,
        status="corrected",
        notes=(_LOOK_AHEAD_NOTE,),
    ),
    linf(
        "sinifgsm",
        "Nesterov iterative FGSM on darker and darker copies",
        "Lin et al., ICLR 2020, arXiv:1908.06281; torchattacks.SINIFGSM",
        (*_ITERATED, _SCALES),
        ("(m + 1) x steps + 1", "m x steps"),
        _sinifgsm,
        status="corrected",
        notes=(_LOOK_AHEAD_NOTE,),
    ),
    linf(
        "vmifgsm",
        "Momentum iterative FGSM with variance tuning",
        "Wang and He, CVPR 2021, arXiv:2103.15571; torchattacks.VMIFGSM",
        (*_ITERATED, _NEIGHBOURS, _BETA),
        ("(neighbours + 1) x steps + 1", "(neighbours + 1) x steps"),
        _vmifgsm,
        draws="per row",
    ),
    linf(
        "vnifgsm",
        "Nesterov iterative FGSM with variance tuning",
        "Wang and He, CVPR 2021, arXiv:2103.15571; torchattacks.VNIFGSM",
        (*_ITERATED, _NEIGHBOURS, _BETA),
        ("(neighbours + 2) x steps + 1", "(neighbours + 1) x steps"),
        _vnifgsm,
        draws="per row",
        status="corrected",
        notes=(_LOOK_AHEAD_NOTE,),
    ),
    linf(
        "difgsm",
        "Iterative FGSM on randomly resized images",
        "Xie et al., CVPR 2019, arXiv:1803.06978; torchattacks.DIFGSM",
        (steps(10), alpha("eps/4"), _NO_DECAY, _SMALLEST, _CHANCE),
        ("steps + 1", "steps"),
        _difgsm,
        draws="one a step, shared by all rows and keyed by the step",
        status="corrected",
        notes=(_SHARED_NOTE,),
    ),
    linf(
        "tifgsm",
        "Iterative FGSM with a smoothed gradient, on randomly resized images",
        "Dong et al., CVPR 2019, arXiv:1904.02884; torchattacks.TIFGSM",
        (steps(10), alpha("eps/4"), _NO_DECAY, _KERNEL, _SMALLEST, _CHANCE),
        ("steps + 1", "steps"),
        _tifgsm,
        draws="one a step, shared by all rows and keyed by the step",
        status="corrected",
        notes=(_GRAY_NOTE, _SHARED_NOTE),
    ),
    linf(
        "pifgsm",
        "Patch-wise FGSM: what is cut off at the budget is given to the neighbours",
        "Gao et al., ECCV 2020, arXiv:2007.06765; torchattacks.PIFGSM",
        (steps(10), _AMPLIFY),
        ("steps + 1", "steps"),
        _pifgsm,
        targeted=False,
        status="corrected",
        notes=(_GRAY_NOTE,),
    ),
    linf(
        "pifgsmpp",
        "Patch-wise FGSM with a smoothed gradient",
        "Gao et al., arXiv:2012.15503; torchattacks.PIFGSMPP",
        (steps(10), _AMPLIFY),
        ("steps + 1", "steps"),
        _pifgsmpp,
        status="corrected",
        notes=(
            _GRAY_NOTE,
            "torchattacks transposes its Gaussian, so that each channel is smoothed by another column of it; here it "
            "is the Gaussian. Its targeted form moves away from the target unless the target is given as the label, "
            "which is what is done here.",
        ),
    ),
    linf(
        "upgd",
        "Momentum iterative FGSM on the cross-entropy or the difference-of-logits ratio",
        "torchattacks.UPGD, which collects options of PGD-like attacks",
        (
            steps(10),
            alpha("eps/10"),
            _DECAY,
            Parameter("objective", "dlr", "what is maximised", choices=("ce", "dlr")),
        ),
        ("steps + 1", "steps"),
        _upgd,
        masked_by_scale=False,
        status="corrected",
        notes=(
            "torchattacks' third loss, the margin, clamps logits at zero and stops a sample that has fallen with 0/0; "
            "it is not offered. Needs 3 classes for dlr, 4 when targeted.",
        ),
    ),
)
