"""JPEG compression with a gradient: what a baseline JPEG does to an image's values, without writing a file.

The quantisation tables are those of ITU-T T.81 (1992), Annex K, scaled as the Independent JPEG Group's software scales
them. Chroma is not subsampled. Rounding passes its gradient on unchanged (BPDA, Athalye et al., ICML 2018).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)
#: JFIF: RGB to luminance and colour differences (ITU-R BT.601), values 0 to 255, differences around 128.
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def straight_round(values: torch.Tensor) -> torch.Tensor:
    """`values` rounded to whole numbers, with the gradient of the values themselves."""
    return values + (values.round() - values).detach()


def compress(images: torch.Tensor, quality: int) -> torch.Tensor:
    """Images `(batch, 1 or 3, height, width)` in [0, 1] as they come back from a JPEG of `quality` 1 to 100."""
    height, width = images.shape[-2:]
    pixels = straight_round(images * 255)
    if images.shape[1] == 3:
        pixels = _mix(pixels, _TO_YCC) + images.new_tensor([0.0, 128.0, 128.0]).view(1, 3, 1, 1)
        pixels = straight_round(pixels)
    padded = F.pad(pixels, (0, -width % 8, 0, -height % 8), mode="replicate")
    tables = torch.stack([_table(_LUMINANCE if i == 0 else _CHROMINANCE, quality) for i in range(images.shape[1])])
    tables = tables.to(images)[None, :, None, None]
    dct = _dct().to(images)
    batch, channels, rows, columns = padded.shape
    # (batch, channels, block rows, block columns, 8, 8)
    blocks = padded.view(batch, channels, rows // 8, 8, columns // 8, 8).transpose(3, 4) - 128
    coefficients = dct @ blocks @ dct.T
    restored = dct.T @ (straight_round(coefficients / tables) * tables) @ dct + 128
    plane = restored.transpose(3, 4).reshape(batch, channels, rows, columns)[..., :height, :width]
    plane = straight_round(plane).clamp(0, 255)
    if images.shape[1] == 3:
        plane = straight_round(_mix(plane - plane.new_tensor([0.0, 128.0, 128.0]).view(1, 3, 1, 1), _TO_RGB)).clamp(
            0, 255
        )
    return plane / 255


def _mix(planes: torch.Tensor, matrix: tuple[tuple[float, ...], ...]) -> torch.Tensor:
    return torch.einsum("oc,bchw->bohw", planes.new_tensor(matrix), planes)


def _table(base: tuple[tuple[int, ...], ...], quality: int) -> torch.Tensor:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return torch.tensor(base, dtype=torch.int64).mul(scale).add(50).floor_divide(100).clamp(1, 255)


def _dct() -> torch.Tensor:
    """The orthonormal 8-point DCT-II, one basis function a row (ITU-T T.81, A.3.3)."""
    k, n = torch.arange(8, dtype=torch.float64)[:, None], torch.arange(8, dtype=torch.float64)[None]
    basis = 0.5 * torch.cos((2 * n + 1) * k * math.pi / 16)
    basis[0] *= math.sqrt(0.5)
    return basis
