"""The card of Residual Masking Network: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, UserFile
from models_zoo.builders import family
from models_zoo.sources import NOT_SEEN, compared

CARD = ModelCard(
    name="rmn",
    title="Residual Masking Network",
    task="expression",
    classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    input="224x224 gray, three times, in [0, 1]",
    parameters=137_796_423,
    paper="https://doi.org/10.1109/ICPR48806.2021.9411919",
    year=2020,
    licence="MIT",
    files=(
        UserFile(
            "Z_resmasking_dropout1_rot30_2019Nov30_13.32, the authors' checkpoint",
            "https://github.com/phamquiluan/ResidualMaskingNetwork",
        ),
    ),
    build=family("rmn"),
    accuracy=(
        PublishedAccuracy(0.7414, "fer2013", "test", 3589, "README of the repository; ten augmented views an image"),
    ),
    family="ResNet-34 with masks",
    trained_on="FER2013; ResNet-34 pretrained on ImageNet",
    notes=(
        NOT_SEEN,
        compared(3, "0", "6.2"),
        "The authors' test sums the softmax of ten randomly rotated and flipped views; here an image is seen once, "
        "as in their package, so its clean accuracy may lie below the stated one.",
    ),
)
