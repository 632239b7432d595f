"""Where an adversarial perturbation may act in training: soft masks in [0, 1] from landmarks, moved, or from a CAM.

No detector runs here: points come from `fer_bench.faces.landmarks`. See docs/design/faat.md for what is ours.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from fer_bench.faces.regions import frame

#: The landmarks of the core regions: brows, nose, eyes, mouth (17 to 67 of 68); the jaw's 0 to 16 are not among them.
CORE_POINTS = slice(17, 68)
#: Width of the bump on each landmark, in distances between the eyes' centres: about 4 pixels on a 48x48 face.
SIGMA = 0.25


def landmark_masks(points: torch.Tensor, height: int, width: int, sigma: float = SIGMA) -> torch.Tensor:
    """Soft masks of the core of each face: float32 `(n, 1, height, width)` in (0, 1].

    M(p) = max_k exp(-|p - l_k|^2 / (2 (sigma u)^2)) over the 51 landmarks l_k of brows, eyes, nose and mouth, u the
    distance between the eyes' centres. `points` `(n, 68, 2)`, x then y in pixels, as `fer_bench.faces.landmarks` gives
    them. The Gaussian is separable, so the nearest landmark is found from squared distances along each axis.
    """
    core = points[:, CORE_POINTS]
    x = torch.arange(width, device=points.device, dtype=points.dtype)
    y = torch.arange(height, device=points.device, dtype=points.dtype)
    across = (x - core[..., 0:1]).square()
    down = (y - core[..., 1:2]).square()
    nearest = (down[..., :, None] + across[..., None, :]).amin(1)
    scale = 2 * (sigma * frame(points).unit).square()
    return torch.exp(-nearest / scale[:, None, None])[:, None]


def moved(masks: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each mask `(n, 1, height, width)` rolled to a random place, over the edges: the same area, shape and values.

    The control for "it matters where the mask is": only the place is another.
    """
    n, _, height, width = masks.shape
    rows = torch.randint(height, (n, 1), generator=generator, device=masks.device)
    columns = torch.randint(width, (n, 1), generator=generator, device=masks.device)
    y = (torch.arange(height, device=masks.device) + rows) % height
    x = (torch.arange(width, device=masks.device) + columns) % width
    samples = torch.arange(n, device=masks.device)[:, None, None]
    return masks[samples, 0, y[:, :, None], x[:, None, :]][:, None]


def cam_masks(
    forward: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]], images: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Grad-CAM of the true class, scaled to [0, 1] per image: float32 `(n, 1, height, width)`.

    ReLU(sum_k a_k A_k), a_k the mean over the map of d logit_y / d A_k (Selvaraju et al., ICCV 2017, equations 1
    and 2), enlarged bilinearly. `forward` maps images to logits `(n, classes)` and the stage's maps `(n, k, h, w)`. An
    image whose CAM is zero everywhere gets a mask of ones.
    """
    with torch.enable_grad():
        logits, maps = forward(images.detach().requires_grad_())
        score = logits.gather(1, labels[:, None]).sum()
        (gradient,) = torch.autograd.grad(score, maps)
    weights = gradient.float().mean((2, 3), keepdim=True)
    cam = F.relu((weights * maps.detach().float()).sum(1, keepdim=True))
    cam = F.interpolate(cam, images.shape[-2:], mode="bilinear", align_corners=False)
    largest = cam.amax((2, 3), keepdim=True)
    return torch.where(largest > 0, cam / largest.clamp_min(1e-12), torch.ones_like(cam))


def with_floor(masks: torch.Tensor, floor: float) -> torch.Tensor:
    """`floor` + (1 - `floor`) M: nowhere below `floor`, still 1 where the mask is 1."""
    return floor + (1 - floor) * masks
