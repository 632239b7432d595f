"""A warp of the face: every landmark is moved a little and the image follows smoothly. Card and program, nothing else.

After FLM (Dabouei et al., WACV 2019, arXiv:1809.08999), which moves landmarks, and stAdv (Xiao et al., ICLR 2018,
arXiv:1801.02612), which moves pixels. The threat is the largest displacement of a pixel, in pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attacks.ascent import ascent_of
from attacks.card import AttackCard
from attacks.parameters import RESTARTS, alpha, steps
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.observer import Observer
from fer_bench.faces import landmarks
from fer_bench.faces.regions import frame

#: Weight of "no movement" in the mean of the landmarks' displacements: it lets the flow fade away from the face.
_REST = 0.05


def weights(points: torch.Tensor, spread: float, height: int, width: int) -> torch.Tensor:
    """How much each pixel follows each landmark: `(batch, height * width, 68)`, each pixel's sum below 1.

    `points` `(batch, 68, 2)` in pixels. Gaussians around the landmarks of width `spread` times the distance between the
    eyes, divided by their sum and a constant.
    """
    y, x = torch.meshgrid(
        torch.arange(height, device=points.device, dtype=points.dtype),
        torch.arange(width, device=points.device, dtype=points.dtype),
        indexing="ij",
    )
    pixels = torch.stack([x, y], 2).reshape(1, -1, 2)
    near = torch.exp(-0.5 * (torch.cdist(pixels, points) / (spread * frame(points).unit[:, None, None])) ** 2)
    following: torch.Tensor = near / (near.sum(2, keepdim=True) + _REST)
    return following


def warped(images: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """`images` `(batch, channels, height, width)` sampled bilinearly at each pixel plus `flow` `(batch, h, w, 2)`.

    The flow is x then y, in pixels; beyond the edge the edge is repeated. Differentiable; no flow, no change.
    """
    height, width = images.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device, dtype=flow.dtype),
        torch.arange(width, device=flow.device, dtype=flow.dtype),
        indexing="ij",
    )
    scale = torch.tensor([width, height], device=flow.device, dtype=flow.dtype)
    grid = (2 * (torch.stack([x, y], 2) + flow) + 1) / scale - 1
    sampled: torch.Tensor = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled


def into_discs(moves: torch.Tensor, eps: float) -> torch.Tensor:
    """`moves` `(batch, 68, 2)` shortened to at most `eps` pixels each."""
    length = moves.norm(dim=2, keepdim=True)
    shortened: torch.Tensor = moves * (eps / length.clamp_min(1e-12)).clamp_max(1)
    return shortened


def landmark_warp(
    observer: Observer,
    images: torch.Tensor,
    labels: torch.Tensor,
    following: torch.Tensor,
    eps: float,
    step: float,
    count: int,
) -> torch.Tensor:
    """Images after `count` steps on the landmarks' displacements from a random start.

    `observer`: what is attacked.
    `images`: `(batch, channels, height, width)` in [0, 1].
    `labels`: `(batch,)`, the classes to leave or to reach.
    `following`: how much each pixel follows each landmark, as `weights` makes it.
    `eps`: the longest displacement of a landmark, in pixels; a pixel's is a mean of them and therefore no longer.
    `step`: the pixels that a step moves each landmark along its own gradient.
    `count`: steps.
    """
    height, width = images.shape[2:]
    start = 2 * torch.rand(len(images), 1, 68, 2, device=images.device, dtype=images.dtype) - 1
    moves = into_discs(eps * start.squeeze(1), eps)

    def moved(moves: torch.Tensor) -> torch.Tensor:
        flow = (following @ moves).reshape(-1, height, width, 2)
        observer.declare(flow.norm(dim=3).flatten(1).amax(1))
        return warped(images, flow)

    for _ in range(count):
        moves = moves.detach().requires_grad_()
        with torch.enable_grad():
            slope = ascent_of(observer, moved(moves), moves, labels)
        length = slope.norm(dim=2, keepdim=True)
        moves = into_discs(moves.detach() + step * slope / length.clamp_min(1e-30), eps)
    with torch.no_grad():
        return moved(moves)


def _warp(spec: AttackSpec, observer: Observer) -> None:
    height, width = observer.images.shape[2:]
    points = landmarks.points(observer.images, observer.shard.ids).to(observer.images.dtype)
    following = weights(points, spec.number("spread"), height, width)

    for restart in range(spec.integer("restarts")):
        standing = observer.standing()

        def call(images: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor = standing) -> torch.Tensor:
            eps, step, count = spec.threat.eps, spec.number("alpha"), spec.integer("steps")
            return landmark_warp(observer, images, labels, following[rows], eps, step, count)

        observer.attack(call, stream=f"restart {restart}")


CARDS = (
    AttackCard(
        name="warp",
        title="Landmarks moved by gradient, the face following smoothly",
        source="after Dabouei et al., WACV 2019, arXiv:1809.08999 (FLM) and Xiao et al., ICLR 2018, arXiv:1801.02612 "
        "(stAdv); own implementation",
        norms=("flow",),
        parameters=(
            steps(50),
            alpha("eps/4"),
            RESTARTS,
            Parameter(
                "spread", 0.2, "reach of a landmark, in distances between the eyes", low=0, high=10, open_low=True
            ),
        ),
        forwards="restarts x (steps + 1)",
        backwards="restarts x steps",
        program=_warp,
        targeted=True,
        draws="per row",
        notes=(
            "Budget: the largest displacement of any pixel, in pixels of the data set's own resolution. What a pixel "
            "then changes in value is not limited.",
            "68 landmarks of the clean face (docs/design/landmarks.md); a mean face where none is found.",
        ),
    ),
)
