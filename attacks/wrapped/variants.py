"""Variants of FGSM and PGD: other starts, other losses, averaged gradients. Cards and programs, nothing else."""

from __future__ import annotations

import torch

from attacks.parameters import RESTARTS, TINY, alpha, linf, settings, steps
from attacks.wrapped import adapter
from attacks.wrapped.shims import Copies
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.observer import Observer

_NOISE = Parameter("noise", 0.1, "standard deviation of the noise, in pixel units", low=0, high=10, open_low=True)
_COPIES = Parameter("copies", 5, "noisy copies whose probabilities are averaged", low=1, high=1000)


def _ffgsm(spec: AttackSpec, observer: Observer) -> None:
    observer.attack(adapter.whole("FFGSM", observer, **settings(spec, "alpha")))


def _rfgsm(spec: AttackSpec, observer: Observer) -> None:
    observer.attack(adapter.whole("RFGSM", observer, **settings(spec, "alpha", "steps")))


def _eotpgd(spec: AttackSpec, observer: Observer) -> None:
    chosen = settings(spec, "alpha", "steps")
    call = adapter.whole("EOTPGD", observer, eot_iter=spec.integer("eot"), random_start=True, **chosen)
    observer.attack(call)


def _tpgd(spec: AttackSpec, observer: Observer) -> None:
    for restart in range(spec.integer("restarts")):
        call = adapter.whole("TPGD", observer, **settings(spec, "alpha", "steps"))
        observer.attack(call, stream=f"restart {restart}")


def _jitter(spec: AttackSpec, observer: Observer) -> None:
    chosen = settings(spec, "alpha", "steps", "scale")
    call = adapter.with_both_labels("Jitter", observer, std=spec.number("noise"), random_start=True, **chosen)
    observer.attack(call, row_draws=(2, 4))


def _smoothed(kind: str, spec: AttackSpec, observer: Observer, **fixed: float) -> None:
    copies = spec.integer("copies")

    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        attack = adapter.build(
            kind,
            observer,
            Copies(observer, inner=True),
            noise_batch_size=copies,
            batch_max=len(images) * copies,
            **settings(spec, "alpha", "steps"),
            **fixed,
        )

        def noise(flat: torch.Tensor) -> torch.Tensor:
            rows, channels, height, width = images.shape
            drawn = torch.randn(rows, copies * channels, height, width, dtype=flat.dtype, device=flat.device)
            return drawn.reshape(flat.shape) * spec.number("noise")

        attack.noise_func = noise
        moved: torch.Tensor = attack(images, labels)
        return moved

    observer.attack(call)


def _pgdrs(spec: AttackSpec, observer: Observer) -> None:
    _smoothed("PGDRS", spec, observer)


def _pgdrsl2(spec: AttackSpec, observer: Observer) -> None:
    _smoothed("PGDRSL2", spec, observer, eps_for_division=TINY)


_SMOOTHED_NOTE = (
    "It attacks the average over noisy copies, so it asks about images outside the budget; only the image that it "
    "returns is scored. torchattacks' noise of 0.5 leaves nothing of a face; the default here is 0.1."
)

CARDS = (
    linf(
        "ffgsm",
        "FGSM from a random start (fast adversarial training's attack)",
        "Wong et al., ICLR 2020, arXiv:2001.03994; torchattacks.FFGSM",
        (alpha("eps*1.25"),),
        ("1 + 1 (the returned image)", "1"),
        _ffgsm,
        draws="per row",
    ),
    linf(
        "rfgsm",
        "Iterative FGSM from a random corner",
        "Tramer et al., ICLR 2018, arXiv:1705.07204; torchattacks.RFGSM",
        (steps(10), alpha("eps/4")),
        ("steps + 1", "steps"),
        _rfgsm,
        draws="per row",
    ),
    linf(
        "eotpgd",
        "PGD with gradients averaged over repeated queries, for models with randomness",
        "Zimmermann, arXiv:1907.00895; torchattacks.EOTPGD",
        (steps(10), alpha("eps/4"), Parameter("eot", 2, "queries averaged per step", low=1, high=1000)),
        ("eot x steps + 1", "eot x steps"),
        _eotpgd,
        draws="per row",
    ),
    linf(
        "tpgd",
        "PGD on the divergence from the model's own clean answer (TRADES), without the label",
        "Zhang et al., ICML 2019, arXiv:1901.08573; torchattacks.TPGD",
        (steps(10), alpha("eps/4"), RESTARTS),
        ("restarts x (steps + 2)", "restarts x steps"),
        _tpgd,
        targeted=False,
        draws="per row",
        notes=(
            "It does not know the label: it leaves the clean answer in whichever direction its random start points, "
            "which may be the one in which the model grows surer. Restarts help.",
        ),
    ),
    linf(
        "jitter",
        "PGD on scaled, jittered probabilities",
        "Schwinn et al., arXiv:2105.10304; torchattacks.Jitter",
        (
            steps(10),
            alpha("eps/4"),
            Parameter("scale", 10.0, "factor on the normalised logits", low=0, high=1e6, open_low=True),
            Parameter("noise", 0.1, "standard deviation of the noise on the probabilities", low=0, high=10),
        ),
        ("steps + 1", "steps"),
        _jitter,
        masked_by_scale=False,
        draws="per row, the noise on the probabilities too",
    ),
    linf(
        "pgdrs",
        "PGD on a randomly smoothed model",
        "Salman et al., NeurIPS 2019, arXiv:1906.04584; torchattacks.PGDRS",
        (steps(10), alpha("eps/4"), _NOISE, _COPIES),
        ("copies x steps + 1", "copies x steps"),
        _pgdrs,
        draws="per row",
        status="corrected",
        notes=(_SMOOTHED_NOTE,),
    ),
    linf(
        "pgdrsl2",
        "PGD in L2 on a randomly smoothed model",
        "Salman et al., NeurIPS 2019, arXiv:1906.04584; torchattacks.PGDRSL2",
        (steps(10), alpha("eps/4"), _NOISE, _COPIES),
        ("copies x steps + 1", "copies x steps"),
        _pgdrsl2,
        norms=("L2",),
        draws="per row",
        status="corrected",
        notes=(
            _SMOOTHED_NOTE,
            "torchattacks divides by the gradient's norm + 1e-10, which stalls confident models; here + 1e-30.",
        ),
    ),
)
