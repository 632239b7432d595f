"""The parts of a plain vision transformer (Dosovitskiy et al. 2021) that several families share; it knows none of them.

The names are timm's, as in the public checkpoints; timm itself takes a second to import.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

_EPSILON = 1e-6


class Mlp(nn.Module):
    """Two linear layers with GELU between them: `(batch, n, width)` -> the same."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        result: torch.Tensor = self.fc2(F.gelu(self.fc1(x)))
        return result


class SelfAttention(nn.Module):
    """Self-attention of several heads: `(batch, n, width)` -> the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The attended tokens."""
        batch, count, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, count, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(dim=-1)
        result: torch.Tensor = self.proj((weights @ v).transpose(1, 2).reshape(batch, count, width))
        return result


class TransformerBlock(nn.Module):
    """Attention, then an MLP four times as wide, each normalised before and added to what it saw."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPSILON)
        self.attn = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPSILON)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        x = x + self.attn(self.norm1(x))
        result: torch.Tensor = x + self.mlp(self.norm2(x))
        return result
