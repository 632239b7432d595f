"""HopSkipJump: a black-box attack that sees nothing but the predicted class. Card and program, nothing else.

Chen, Jordan and Wainwright, IEEE S&P 2020, arXiv:1904.02144. Own implementation, all samples in step: a query carries
one image of each.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from attacks.card import AttackCard
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.norms import norms
from fer_bench.engine.observer import Observer

#: Cells a side of the random images tried as starting points (0: one for each pixel), and how often.
_COARSENESS, _ROUNDS = (0, 1, 2, 4, 8), 4
#: Lengths tried of a step, each half of the one before.
_LENGTHS = 10
#: Gradient probes of the first step (the paper's B_0) and the size of its probes in pixel units.
_FIRST_PROBES, _FIRST_SIZE = 100, 0.1


def _column(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


class _Walk:
    """The state of one attack on a batch: `images` clean, `best` a point of every sample beyond the boundary."""

    def __init__(self, observer: Observer, images: torch.Tensor, norm: str, queries: int) -> None:
        self.observer, self.images, self.norm, self.left = observer, images, norm, queries
        self.best = images.clone()
        self.found = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        # The paper's tolerance of the search for the boundary, from the number of pixels and channels.
        self.size = images[0].numel()
        self.tolerance = self.size**-1.5 if norm == "L2" else float(self.size) ** -2
        self.searches = min(20, math.ceil(math.log2(1 / self.tolerance)))

    def beyond(self, points: torch.Tensor) -> torch.Tensor:
        """One query: which `points` succeed, `(batch,)` bool. Nothing else of the answer is used."""
        self.left -= 1
        with torch.no_grad():
            return self.observer.margins(self.observer(points)) < 0

    def start(self) -> None:
        """Looks for a first point among random images, coarse and fine, and keeps the nearest that succeeds.

        The paper tries uniform noise alone, which many models put into one and the same class.
        """
        nearest = torch.full_like(self.best[:, 0, 0, 0], torch.inf)
        for side in _COARSENESS * _ROUNDS:
            cells = self.images.shape[2:] if side == 0 else (side, side)
            drawn = torch.rand(*self.images.shape[:2], *cells, device=self.images.device, dtype=self.images.dtype)
            noise = F.interpolate(drawn, self.images.shape[2:])
            far = norms(noise - self.images, self.norm)
            nearer = self.beyond(noise) & (far < nearest)
            self.best[nearer], nearest[nearer] = noise[nearer], far[nearer]
        self.found = nearest.isfinite()

    def distance(self) -> torch.Tensor:
        """How far `best` is from the clean images, `(batch,)`."""
        return norms(self.best - self.images, self.norm)

    def to_the_boundary(self) -> None:
        """Bisects between the clean image and `best`: along the line for L2, by the radius of the ball for Linf."""
        low, high = torch.zeros_like(self.best[:, 0, 0, 0]), torch.ones_like(self.best[:, 0, 0, 0])
        delta = self.best - self.images
        reach = self.distance()
        for _ in range(self.searches):
            middle = (low + high) / 2
            hit = self.beyond(self._between(delta, reach, middle))
            low, high = torch.where(hit, low, middle), torch.where(hit, middle, high)
        self.best = torch.where(_column(self.found), self._between(delta, reach, high), self.best)

    def _between(self, delta: torch.Tensor, reach: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        if self.norm == "L2":
            return self.images + _column(share) * delta
        limit = _column(share * reach)
        return self.images + torch.minimum(torch.maximum(delta, -limit), limit)

    def normal(self, probes: int, size: torch.Tensor) -> torch.Tensor:
        """The estimated direction across the boundary at `best` (equation 16 of the paper), unit or of signs."""
        total, directions = torch.zeros_like(self.best), torch.zeros_like(self.best)
        votes = torch.zeros_like(size)
        for _ in range(probes):
            draw = torch.randn_like(self.best) if self.norm == "L2" else 2 * torch.rand_like(self.best) - 1
            direction = draw / _column(norms(draw, "L2"))
            point = (self.best + _column(size) * direction).clamp(0, 1)
            direction = (point - self.best) / _column(size)  # what clipping left of it
            vote = torch.where(self.beyond(point), 1.0, -1.0).to(size.dtype)
            total += _column(vote) * direction
            directions += direction
            votes += vote
        mean = votes / probes
        estimate = torch.where(_column(mean.abs() == 1), _column(mean) * directions, total - _column(mean) * directions)
        if self.norm == "L2":
            return estimate / _column(norms(estimate, "L2").clamp_min(1e-30))
        return estimate.sign()

    def step(self, direction: torch.Tensor, length: torch.Tensor) -> None:
        """Moves `best` along `direction`, each sample as far of `length` halved as still succeeds.

        All lengths are asked about, so that a sample's queries do not depend on its neighbours.
        """
        start, going = self.best.clone(), self.found.clone()
        for halving in range(_LENGTHS):
            point = (start + _column(length / 2**halving) * direction).clamp(0, 1)
            hit = self.beyond(point) & going
            self.best[hit] = point[hit]
            going &= ~hit


def hop_skip_jump(observer: Observer, images: torch.Tensor, norm: str, queries: int) -> None:
    """Walks along the boundary towards `images` for `queries` queries; the Observer keeps the nearest point it sees."""
    walk = _Walk(observer, images, norm, queries)
    walk.start()
    walk.to_the_boundary()
    for number in range(1, queries):
        probes = min(int(_FIRST_PROBES * math.sqrt(number)), walk.left - _LENGTHS - walk.searches)
        if probes < 2 or not bool(walk.found.any()):
            return
        distance = walk.distance()
        root = math.sqrt(walk.size) if norm == "L2" else walk.size
        size = torch.full_like(distance, _FIRST_SIZE) if number == 1 else root * walk.tolerance * distance
        direction = walk.normal(probes, size.clamp_min(1e-9))
        walk.step(direction, distance / math.sqrt(number))
        walk.to_the_boundary()


def _program(spec: AttackSpec, observer: Observer) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        hop_skip_jump(observer, images, spec.norm, spec.integer("queries"))

    observer.attack(call, freeze=False)


CARDS = (
    AttackCard(
        name="hopskipjump",
        title="HopSkipJump, black box, predicted classes only",
        source="Chen, Jordan and Wainwright, IEEE S&P 2020, arXiv:1904.02144; own implementation",
        norms=("L2", "Linf"),
        parameters=(Parameter("queries", 5000, "queries a sample", low=100, high=10_000_000),),
        forwards="at most queries",
        backwards="0",
        program=_program,
        gradient=False,
        freeze=False,
        record="smallest",
        draws="per row",
        notes=(
            "A minimum-norm attack: one cell is read at every eps. Given an eps it runs as a budget attack.",
            "Starts from the nearest of 20 random images, coarse and fine, that changes the class; a sample for which "
            "none does is left alone.",
        ),
    ),
)
