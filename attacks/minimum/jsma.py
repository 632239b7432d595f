"""The Jacobian saliency map attack, own implementation. Card and program, nothing else.

torchattacks.JSMA is not used: it holds several tables of (pixels x channels)^2 entries (90 GB each at 3x224x224), takes
(label + 1) modulo 10 as target class, which breaks on fewer classes, and attacks one sample at a time.
"""

from __future__ import annotations

import torch

from attacks.card import AttackCard
from attacks.minimum.deepfool import jacobian
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.observer import Observer

#: Pairs scored at once; the table of all of them is never held.
_BLOCK = 1 << 22


def best_pair(towards: torch.Tensor, away: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """The pair p < q of free features with the largest (t_p + t_q)(a_p + a_q), both sums positive: `(2,)`.

    `towards` and `away` `(features,)`: how much the target rises and all others together fall when a feature moves.
    (-1, -1) where no pair has both sums positive. The first of equal pairs is taken.
    """
    count = len(towards)
    towards = towards.masked_fill(~free, -torch.inf)
    away = away.masked_fill(~free, -torch.inf)
    best, found = torch.zeros((), dtype=towards.dtype, device=towards.device), (-1, -1)
    block = max(1, _BLOCK // count)
    for start in range(0, count, block):
        part = slice(start, min(start + block, count))
        gain = (towards[part, None] + towards[None]).clamp_min(0) * (away[part, None] + away[None]).clamp_min(0)
        gain = gain.nan_to_num(0, 0, 0).triu(start + 1)
        value, at = gain.flatten().max(0)
        if bool(value > best):
            best, found = value, (start + int(at) // count, int(at) % count)
    return torch.tensor(found, device=towards.device)


def saliency_map(
    observer: Observer,
    images: torch.Tensor,
    labels: torch.Tensor,
    theta: float,
    gamma: float,
) -> None:
    """Moves the most salient pair of features until the target class wins or enough of them have moved.

    `observer`: what is attacked.
    `images`: `(batch, channels, height, width)` in [0, 1].
    `labels`: `(batch,)`, the classes to leave or to reach.
    `theta`: how far a feature moves.
    `gamma`: the share of features that may move.

    Papernot et al., EuroS&P 2016, arXiv:1511.07528, algorithm 3, with logits. Without a target the likeliest wrong
    class of the clean image is it. A feature is one channel of one pixel; it moves once. Every image is a query.
    """
    reached = images.clone()
    free = (images < 1 if theta > 0 else images > 0).flatten(1)
    goal = labels.clone()
    rows = torch.arange(len(images), device=images.device)
    rounds = max(1, int(free.shape[1] * gamma / 2))
    for step in range(rounds + 1):
        observer.select(rows)
        point = reached[rows].requires_grad_(step < rounds)
        with torch.set_grad_enabled(step < rounds):
            logits = observer(point)
        if step == rounds:
            return
        if step == 0 and observer.targets is None:
            goal = logits.detach().scatter(1, labels[:, None], -torch.inf).argmax(1)
        going = observer.margins(logits.detach()) >= 0
        slopes = jacobian(logits, point).flatten(2) * (1 if theta > 0 else -1)
        own = slopes[torch.arange(len(rows), device=rows.device), goal[rows]]
        rest = slopes.sum(1) - own
        for i in going.nonzero().flatten().tolist():
            row = rows[i]
            pair = best_pair(own[i], -rest[i], free[row])
            if int(pair[0]) < 0:
                going[i] = False
                continue
            flat = reached[row].flatten()
            flat[pair] = (flat[pair] + theta).clamp(0, 1)
            free[row, pair] = False
            reached[row] = flat.view_as(reached[row])
        rows = rows[going]
        if len(rows) == 0:
            return


def _jsma(spec: AttackSpec, observer: Observer) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        saliency_map(observer, images, labels, spec.number("theta"), spec.number("gamma"))

    observer.attack(call, rows="own", freeze=False)


CARDS = (
    AttackCard(
        name="jsma",
        title="Jacobian saliency map attack, pairs of features",
        source="Papernot et al., EuroS&P 2016, arXiv:1511.07528; own implementation, not torchattacks.JSMA",
        norms=("L0",),
        parameters=(
            Parameter("theta", 1.0, "how far a feature moves; negative darkens", low=-1, high=1),
            Parameter("gamma", 0.1, "largest share of the features that move", low=0, high=1, open_low=True),
        ),
        forwards="gamma x features / 2 + 1",
        backwards="K x gamma x features / 2",
        program=_jsma,
        rows="own",
        freeze=False,
        record="smallest",
        targeted=True,
        largest_side=64,
        status="corrected",
        notes=(
            "torchattacks.JSMA takes (label + 1) modulo 10 as target, which breaks on models of fewer classes, and "
            "holds tables of (features)^2 entries. Here the target is the likeliest wrong class and pairs are scored "
            "in blocks.",
            "Refused above 64x64 pixels: all pairs are scored, a time that grows with the fourth power of the side.",
            "A minimum-norm attack: one cell is read at every L0 budget.",
        ),
    ),
)
