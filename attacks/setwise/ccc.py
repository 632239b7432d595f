"""The concordance attack: lowers the CCC of a whole set of valence-arousal predictions. Card and set-level stage.

CCC (Lin, Biometrics 1989) is a property of the set, not a mean over samples: an attack on each sample's squared error
leaves it too high. Its gradient with respect to one prediction needs the set's moments only, so these are taken over
the whole set, fixed for a round of steps, and taken again: the batch size cannot change the result.
"""

from __future__ import annotations

import torch

from attacks.card import AttackCard
from attacks.parameters import alpha
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.attack import SetView, by_proposals
from fer_bench.errors import AttackError


def ccc_slopes(outputs: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """CCC of each dimension, and the two coefficients of its slope. `outputs`, `values`: `(n, 2)`; results: `(2,)`.

    With population moments S = 2 cov(p, t) and D = var p + var t + (mean p - mean t)^2, CCC = S / D and
    n dCCC/dp_i = 2 (t_i - mean t) / D - 2 S (p_i - mean t) / D^2. The coefficients are 1 / D and S / D^2.
    """
    centred, true = outputs - outputs.mean(0), values - values.mean(0)
    covariance = 2 * (centred * true).mean(0)
    spread = centred.square().mean(0) + true.square().mean(0) + (outputs.mean(0) - values.mean(0)).square()
    spread = spread.clamp_min(1e-12)
    return covariance / spread, 1 / spread, covariance / spread.square()


def lower_ccc(spec: AttackSpec, view: SetView) -> torch.Tensor:
    """One image per sample, within Linf eps, that together give a low CCC in both dimensions.

    Sign steps on each sample's share of CCC_valence + CCC_arousal, the moments fixed within a round. Of the rounds'
    starts and the end the set of lowest mean CCC is kept.
    """
    if view.shard.values is None:
        raise AttackError(f"{spec.name} attacks valence-arousal regressors; this data has no values.")
    values = view.shard.values
    eps = spec.threat.eps
    images = view.shard.images.clone()
    for rows in view.batches():
        with view.draws("start", rows):
            noise = torch.rand_like(images[rows].to(view.device)) * 2 - 1
        images[rows] = (images[rows] + eps * noise.cpu()).clamp(0, 1)
    best, lowest = images.clone(), torch.inf
    for number in range(spec.integer("rounds") + 1):
        outputs = _predictions(view, images)
        ccc, inverse, pull = ccc_slopes(outputs, values)
        if float(ccc.mean()) < lowest:
            best, lowest = images.clone(), float(ccc.mean())
        if number == spec.integer("rounds"):
            break
        for rows in view.batches():
            images[rows] = _round(spec, view, images[rows], rows, inverse, pull)
    return best


def _predictions(view: SetView, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        parts = [view.outputs(images[rows].to(view.device)).cpu() for rows in view.batches()]
    return torch.cat(parts)


def _round(
    spec: AttackSpec,
    view: SetView,
    start: torch.Tensor,
    rows: torch.Tensor,
    inverse: torch.Tensor,
    pull: torch.Tensor,
) -> torch.Tensor:
    """The steps of one round on some samples; on the CPU.

    `spec`: budget, step and number of steps.
    `view`: the set.
    `start`: the samples' images, `(len(rows), channels, height, width)`.
    `rows`: which samples, `(len(rows),)`.
    `inverse`: as `ccc_slopes` gives it for all of the set.
    `pull`: likewise.
    """
    eps, step = spec.threat.eps, spec.number("alpha")
    clean, images = view.images(rows), start.to(view.device)
    assert view.shard.values is not None
    mean = view.shard.values.mean(0).to(view.device)
    true = view.shard.values[rows].to(view.device) - mean
    inverse, pull = inverse.to(view.device), pull.to(view.device)
    for _ in range(spec.integer("steps")):
        images = images.detach().requires_grad_()
        moved = view.outputs(images) - mean
        share = 2 * inverse * true * moved - pull * moved.square()
        (gradient,) = torch.autograd.grad(share.sum(), images)
        images = images.detach() - step * gradient.sign()
        images = torch.minimum(torch.maximum(images, clean - eps), clean + eps).clamp(0, 1)
    return images.detach().cpu()


CARDS = (
    AttackCard(
        name="ccc",
        title="Concordance attack on a set of valence-arousal predictions",
        source="this project; the concordance correlation coefficient is Lin's, Biometrics 45, 1989",
        norms=("Linf",),
        parameters=(
            Parameter("rounds", 10, "times the set's moments are taken anew", low=1, high=10_000),
            Parameter("steps", 4, "sign steps within a round", low=1, high=10_000),
            alpha("eps/4"),
        ),
        forwards="rounds x (steps + 1) + 1",
        backwards="rounds x steps",
        program=by_proposals,
        fit=lower_ccc,
        regressors="only",
        loss="ccc",
        draws="per row",
        notes=(
            "An attack of the set: its images are read together (RMSE, CCC), a single one means little.",
            "Moments are population moments over all samples of the cell, so that no batch size can change them.",
        ),
    ),
)
