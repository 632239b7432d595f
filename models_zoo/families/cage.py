"""CAGE (Wagner et al., CVPRW 2024): MaxViT-T that names expressions and measures valence and arousal; weights are
brought.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torchvision.models import maxvit_t

from fer_bench.core.model_card import VALENCE_AROUSAL, ModelCard, Task, UserFile
from models_zoo.layers.convolution import clamped
from models_zoo.preprocessing import imagenet
from models_zoo.sources import AFFECTNET_7, AFFECTNET_8, CLAMPED, NOT_SEEN, compared
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill


class CAGE(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> one task's part of the outputs.

    Inside: RGB, 224x224, ImageNet's normalisation; MaxViT-T, whose last layer gives `classes` logits, then valence
    and arousal. Task "va" answers with the latter two in [-1, 1], task "expression" with the former.
    """

    def __init__(self, classes: int, task: Task) -> None:
        super().__init__()
        self.classes = classes
        self.task = task
        self.net = maxvit_t()
        width = self.net.classifier[3].in_features
        self.net.classifier[5] = nn.Linear(width, classes + 2, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, classes)`, or valence and arousal `(batch, 2)`."""
        outputs: torch.Tensor = self.net(imagenet(images, 224))
        if self.task == "va":
            return clamped(outputs[:, self.classes :])
        return outputs[:, : self.classes]


def build(classes: int, task: Task, paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' 'model.pt', a bare state dict."""
    model = CAGE(classes, task)
    fill(model.net, read_checkpoint(paths[0]))
    return model.eval()


def _card(name: str, data: str, names: tuple[str, ...], task: Task, published: str) -> ModelCard:
    return ModelCard(
        name=name,
        title=f"CAGE, MaxViT-T trained on {data}'s classes, valence and arousal together",
        task=task,
        classes=VALENCE_AROUSAL if task == "va" else names,
        input="224x224 RGB, normalised as for ImageNet",
        parameters=30_412_232 if len(names) == 7 else 30_412_744,
        paper="https://arxiv.org/abs/2404.14975",
        year=2024,
        licence="MIT",
        files=(
            UserFile(
                f"models/{data.replace('-', '')}_Maxvit_Combined/model.pt of the authors",
                "https://github.com/wagner-niklas/CAGE_expression_inference",
            ),
        ),
        build=partial(build, len(names), task),
        revision=2 if task == "va" else 1,
        family="MaxViT-T",
        trained_on=f"{data}; MaxViT-T pretrained on ImageNet",
        notes=(
            NOT_SEEN,
            compared(3, "0", "2.0", "torchvision's MaxViT-T with the authors' last layers"),
            f"Published for {data}'s validation set, this net: {published}. No accuracy is stated; on a set with "
            "equally many images a class the recall is one.",
            "The authors' webcam script cuts the ten outputs of the eight-class net after the seventh, so that its "
            "valence is the logit of contempt; their evaluation cuts after the eighth, as is done here.",
            *((CLAMPED,) if task == "va" else ()),
        ),
    )


_SEVEN = "precision .666, recall .664, F1 .664; both dimensions together RMSE .3077, CCC .7640"
_EIGHT = "precision .623, recall .621, F1 .621; both dimensions together RMSE .3701, CCC .6592"

CARDS = (
    _card("cage-affectnet7", "AffectNet-7", AFFECTNET_7, "expression", _SEVEN),
    _card("cage-affectnet7-va", "AffectNet-7", AFFECTNET_7, "va", _SEVEN),
    _card("cage-affectnet8", "AffectNet-8", AFFECTNET_8, "expression", _EIGHT),
    _card("cage-affectnet8-va", "AffectNet-8", AFFECTNET_8, "va", _EIGHT),
)
