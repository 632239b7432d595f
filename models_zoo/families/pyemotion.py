"""NetworkV2 of PyPI's `facial_emotion_recognition` 0.3.4 (R. Akhtar); `PyEmotion` has the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from fer_bench.core.model_card import ModelCard, PackageFile, PublishedAccuracy
from models_zoo.preprocessing import resize, to_gray
from models_zoo.weights.state_dict import fill, read_torch


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReflectionPad2d(1),
        nn.Conv2d(inputs, outputs, 3, stride=stride),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class NetworkV2(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in FER2013's order.

    Inside: gray, 48x48, [-1, 1]; four reflected 3x3 convolutions of 32 to 256 channels, the last three of
    stride 2, down to 6x6, then a linear layer of 256 and the output. The sigmoid of the original is cut.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_1 = _block(1, 32, 1)
        self.conv_2 = _block(32, 64, 2)
        self.conv_3 = _block(64, 128, 2)
        self.conv_4 = _block(128, 256, 2)
        self.linear = nn.Sequential(nn.Linear(256 * 6 * 6, 256), nn.ReLU(), nn.Linear(256, 7))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        x = resize(to_gray(images), 48, 48) * 2 - 1
        x = self.conv_4(self.conv_3(self.conv_2(self.conv_1(x))))
        logits: torch.Tensor = self.linear(x.flatten(1))
        return logits


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the training checkpoint, whose entry 'network' is the state dict."""
    model = NetworkV2()
    fill(model, read_torch(paths[0], key="network"))
    return model


CARD = ModelCard(
    name="pyemotion",
    title="NetworkV2 of facial_emotion_recognition and PyEmotion",
    task="expression",
    classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    input="48x48 gray in [-1, 1]",
    parameters=2_750_151,
    paper="none",
    year=2020,
    licence="MIT",
    # facial_emotion_recognition 0.3.4 is published as source only, and pip would run its setup.py to download
    # it. PyEmotion is a wheel with the same bytes.
    files=(
        PackageFile(
            registry="pypi",
            package="PyEmotion",
            version="1.0.0",
            member="PyEmotion/model/main_model.pkl",
            sha256="d2789940007ee6175130fefd3ed9a523a1afa4475fbdafbf64f2948db6c29537",
            size=33_017_347,
        ),
    ),
    build=build,
    accuracy=(
        PublishedAccuracy(0.4514, "fer2013", "validation", 3589, "measured by fer_bench"),
        PublishedAccuracy(0.466, "fer2013", "test", 3589, "hand port made before fer_bench"),
        PublishedAccuracy(0.471, "fer2013", "test", 1500, "hand port made before fer_bench, random part"),
    ),
    family="plain convolutional net",
    trained_on="unknown",
    notes=(
        "Gradient masking: logits reach 99, so that 1 % of images have exactly zero cross-entropy gradient; "
        "what is left of its accuracy at 8/255 is this, not robustness.",
        "It never predicts disgust.",
        "The checkpoint states an accuracy of .957 without saying on what.",
        "Against the package's own module on 20 tensors of 48x48: difference 0.",
    ),
)
