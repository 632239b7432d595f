"""APViT (Xue et al., TAC 2022): IR-50's features and a ViT that drops tokens by attention; weights are brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from models_zoo.layers.face_backbones import ir_stage, ir_stem
from models_zoo.layers.transformer import Mlp
from models_zoo.preprocessing import imagenet
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill

_WIDTH = 768


_HEADS = 8


_EPSILON = 1e-6


#: Of the 14x14 features so many go on; then the share of tokens that each block passes on.
_KEPT = 160


_RATES = (1.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9)


def _strongest(weight: torch.Tensor, count: int) -> torch.Tensor:
    """Positions of the `count` largest of `(batch, n)`, in ascending order, `(batch, count)`."""
    return weight.topk(count, dim=1).indices.sort(dim=1).values


def _taken(tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """The tokens of `(batch, n, width)` at `positions` `(batch, count)`."""
    return tokens.gather(1, positions[..., None].expand(-1, -1, tokens.shape[2]))


class Extractor(nn.Module):
    """The first three stages of IR-50: `(batch, 3, 112, 112)` -> `(batch, 256, 14, 14)`."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = ir_stem()
        stages = (ir_stage(64, 64, 3), ir_stage(64, 128, 4), ir_stage(128, 256, 14))
        self.body = nn.Sequential(*(nn.Sequential(*stage) for stage in stages))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The features of the third stage."""
        result: torch.Tensor = self.body(self.input_layer(x))
        return result


class PoolingAttention(nn.Module):
    """Self-attention that also says how strongly the class token asks for each token, before the softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(_WIDTH, 3 * _WIDTH, bias=False)
        self.proj = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`(batch, n, width)` -> the attended tokens, and `(batch, n)`: the class token's scores, summed over heads."""
        batch, count, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, count, 3, _HEADS, width // _HEADS).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) * (width // _HEADS) ** -0.5
        attended = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, count, width)
        return self.proj(attended), scores[:, :, 0].sum(dim=1)


class PoolingBlock(nn.Module):
    """A pre-norm transformer block that passes on the class token and a share `rate` of the others (ATP)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.norm1 = nn.LayerNorm(_WIDTH, eps=_EPSILON)
        self.attn = PoolingAttention()
        self.norm2 = nn.LayerNorm(_WIDTH, eps=_EPSILON)
        self.mlp = Mlp(_WIDTH, 3 * _WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 1 + n, width)` -> `(batch, 1 + int(n * rate), width)`."""
        attended, scores = self.attn(self.norm1(x))
        x = x + attended
        others = x.shape[1] - 1
        kept = int(others * self.rate)
        if kept < others:
            x = torch.cat([x[:, :1], _taken(x[:, 1:], _strongest(scores[:, 1:], kept))], dim=1)
        result: torch.Tensor = x + self.mlp(self.norm2(x))
        return result


class PoolingTransformer(nn.Module):
    """`(batch, 256, 14, 14)` -> the class token `(batch, 768)`; the weakest features go first (the paper's APP)."""

    def __init__(self) -> None:
        super().__init__()
        self.projs = nn.ModuleList([nn.Conv2d(256, _WIDTH, 1)])
        self.cls_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.patch_pos_embed = nn.Parameter(torch.zeros(1, 14 * 14, _WIDTH))
        self.cls_pos_embed = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.blocks = nn.Sequential(*(PoolingBlock(rate) for rate in _RATES))
        self.norm = nn.LayerNorm(_WIDTH, eps=_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The normalised class token."""
        tokens = self.projs[0](x).flatten(2).transpose(1, 2)
        strongest = _strongest(tokens.abs().sum(dim=2), _KEPT)
        first = (self.cls_token + self.cls_pos_embed).expand(len(x), -1, -1)
        tokens = torch.cat([first, _taken(tokens + self.patch_pos_embed, strongest)], dim=1)
        result: torch.Tensor = self.norm(self.blocks(tokens))[:, 0]
        return result


class APViT(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in the order of the authors' own list.

    Inside: RGB, 112x112, ImageNet's normalisation; IR-50 to its third stage; the transformer of eight blocks; a linear
    layer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.extractor = Extractor()
        self.vit = PoolingTransformer()
        self.head = nn.ModuleDict({"fc": nn.Linear(_WIDTH, 7)})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        logits: torch.Tensor = self.head["fc"](self.vit(self.extractor(imagenet(images, 112))))
        return logits


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' checkpoint, whose entry 'state_dict' is the state dict."""
    model = APViT()
    fill(model, read_checkpoint(paths[0]))
    return model.eval()
