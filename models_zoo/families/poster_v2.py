"""POSTER V2 (Mao et al. 2023): IR-50 features attend to landmark features at three scales; weights are brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models_zoo.layers.face_backbones import MobileFaceNetFeatures, ir_stage, ir_stem
from models_zoo.layers.transformer import Mlp, TransformerBlock
from models_zoo.preprocessing import imagenet
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill

#: Of the three scales: side of the map, attention heads, channels.
_SCALES = ((28, 2, 64), (14, 4, 128), (7, 8, 256))


_WIDTH = 768


_TOKENS = 3 * 7 * 7


_HEADS = 8


_EPSILON = 1e-6


class IR50(nn.Module):
    """The first three stages of IR-50: `(batch, 3, 112, 112)` -> maps of 64x56x56, 128x28x28 and 256x14x14.

    `output_layer` is never used; the checkpoints hold it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = ir_stem()
        self.body1 = nn.Sequential(*ir_stage(64, 64, 3))
        self.body2 = nn.Sequential(*ir_stage(64, 128, 4))
        self.body3 = nn.Sequential(*ir_stage(128, 256, 14))
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512), nn.Dropout(0.0), nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512)
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The three maps, the largest first."""
        large = self.body1(self.input_layer(x))
        middle = self.body2(large)
        return large, middle, self.body3(middle)


class LandmarkNet(MobileFaceNetFeatures):
    """MobileFaceNet trained on landmarks. Its landmark head `output_layer` is never used; the checkpoints hold it."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Module()
        conv.conv = nn.Conv2d(512, 512, 7, groups=512, bias=False)
        conv.bn = nn.BatchNorm2d(512)
        self.output_layer = nn.Module()
        self.output_layer.conv_6_dw = conv
        self.output_layer.linear = nn.Linear(512, 136, bias=False)
        self.output_layer.bn = nn.BatchNorm1d(136)


def _relative_positions(side: int) -> torch.Tensor:
    """For every pair of places of a `side` x `side` map the row of the bias table, `(side^2, side^2)`."""
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    down = row.flatten()[:, None] - row.flatten()[None] + side - 1
    right = column.flatten()[:, None] - column.flatten()[None] + side - 1
    return down * (2 * side - 1) + right


class WindowAttention(nn.Module):
    """Places of one image's map ask with the landmark features and answer with their own (GC ViT's global query).

    The window is the whole map. `(batch, side^2, channels)` and a query `(batch, channels, side, side)` ->
    `(batch, side^2, channels)`.
    """

    def __init__(self, side: int, heads: int, channels: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, heads))
        self.register_buffer("relative_position_index", _relative_positions(side))
        self.qkv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """The attended features."""
        batch, places, channels = x.shape
        q = query.flatten(2).transpose(1, 2).reshape(batch, places, self.heads, -1).transpose(1, 2)
        k, v = self.qkv(x).reshape(batch, places, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        index = self.get_buffer("relative_position_index")
        bias = self.relative_position_bias_table[index.flatten()].view(places, places, -1).permute(2, 0, 1)
        attention = (q * self.scale @ k.transpose(-2, -1) + bias).softmax(dim=-1)
        result: torch.Tensor = self.proj((attention @ v).transpose(1, 2).reshape(batch, places, channels))
        return result


class FeedForward(nn.Module):
    """Adds attended features, then their MLP, to the shortcut, each times a learned scale per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma1 = nn.Parameter(torch.ones(channels))
        self.gamma2 = nn.Parameter(torch.ones(channels))
        self.mlp = Mlp(channels, 4 * channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, attended: torch.Tensor, shortcut: torch.Tensor) -> torch.Tensor:
        """`(batch, places, channels)`, twice, -> the same."""
        x = shortcut + self.gamma1 * attended
        result: torch.Tensor = x + self.gamma2 * self.mlp(self.norm(x))
        return result


class TokenBlock(TransformerBlock):
    """A transformer block. `conv` is never used; the checkpoints hold it."""

    def __init__(self) -> None:
        super().__init__(_WIDTH, _HEADS)
        self.conv = nn.Conv1d(_TOKENS + 1, _TOKENS + 1, 1)


class Gate(nn.Module):
    """Weights every feature by a sigmoid of two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(_WIDTH, _WIDTH)
        self.linear2 = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        return x * torch.sigmoid(self.linear2(F.relu(self.linear1(x))))


class TokenTransformer(nn.Module):
    """Class token, positions, two blocks, gate and head: `(batch, 147, 768)` -> logits.

    `patch_embed`, `eca_block`, `CON1`, `IRLinear1` and `IRLinear2` are never used; the checkpoints hold them.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, _TOKENS + 1, _WIDTH))
        self.blocks = nn.Sequential(TokenBlock(), TokenBlock())
        self.norm = nn.LayerNorm(_WIDTH, eps=_EPSILON)
        self.se_block = Gate()
        self.head = nn.ModuleDict({"linear": nn.Linear(_WIDTH, classes)})
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(256, _WIDTH, 1)})
        self.eca_block = nn.ModuleDict({"conv": nn.Conv1d(1, 1, 5, bias=False)})
        self.CON1 = nn.Conv2d(256, _WIDTH, 1, bias=False)
        self.IRLinear1 = nn.Linear(1024, _WIDTH)
        self.IRLinear2 = nn.Linear(_WIDTH, 512)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, classes)`."""
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        first = self.norm(self.blocks(x))[:, 0]
        logits: torch.Tensor = self.head["linear"](self.se_block(first))
        return logits


class PosterV2(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> `classes` logits.

    Inside: RGB, 224x224, ImageNet's normalisation, then 112x112 without interpolation, as the authors have it; IR-50
    and MobileFaceNet; window cross-attention at three scales; 49 tokens a scale; a two-block transformer.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.face_landback = LandmarkNet()
        self.ir_back = IR50()
        self.last_face_conv = nn.Conv2d(512, 256, 3, padding=1)
        for i, (side, heads, channels) in enumerate(_SCALES, 1):
            self.add_module(f"conv{i}", nn.Conv2d(channels, channels, 3, 2, 1))
            self.add_module(f"window{i}", nn.ModuleDict({"norm": nn.LayerNorm(channels)}))
            self.add_module(f"attn{i}", WindowAttention(side, heads, channels))
            self.add_module(f"ffn{i}", FeedForward(channels))
        self.embed_q = nn.Sequential(nn.Conv2d(64, _WIDTH, 3, 2, 1), nn.Conv2d(_WIDTH, _WIDTH, 3, 2, 1))
        self.embed_k = nn.Sequential(nn.Conv2d(128, _WIDTH, 3, 2, 1))
        self.embed_v = nn.ModuleDict({"proj": nn.Conv2d(256, _WIDTH, 1)})
        self.VIT = TokenTransformer(classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, classes)`."""
        x = F.interpolate(imagenet(images, 224), size=112)
        large, middle, small = self.face_landback(x)
        queries = (large, middle, self.last_face_conv(small))
        maps = [self._attend(i, x, query) for i, (x, query) in enumerate(zip(self.ir_back(x), queries, strict=True), 1)]
        embedded = (self.embed_q(maps[0]), self.embed_k(maps[1]), self.embed_v["proj"](maps[2]))
        logits: torch.Tensor = self.VIT(torch.cat([x.flatten(2).transpose(1, 2) for x in embedded], dim=1))
        return logits

    def _attend(self, scale: int, x: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        x = self.get_submodule(f"conv{scale}")(x)
        places = self.get_submodule(f"window{scale}.norm")(x.flatten(2).transpose(1, 2))
        attended = self.get_submodule(f"attn{scale}")(places, query)
        result: torch.Tensor = self.get_submodule(f"ffn{scale}")(attended, places)
        return result.transpose(1, 2).reshape(x.shape)


def build(classes: int, paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' checkpoint, whose entry 'state_dict' is the state dict of a DataParallel."""
    model = PosterV2(classes)
    fill(model, read_checkpoint(paths[0]))
    return model.eval()
