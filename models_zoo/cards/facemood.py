"""The card of the Keras net of `facemood`: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PackageFile, PublishedAccuracy
from models_zoo.builders import family

CARD = ModelCard(
    name="facemood",
    title="facemood",
    task="expression",
    classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    input="170x170 RGB in [0, 1]",
    parameters=382_047,
    paper="none; github.com/emirkaanozdemr/facemood",
    year=2024,
    licence="Apache-2.0",
    files=(
        PackageFile(
            registry="pypi",
            package="facemood",
            version="1.0.1",
            member="facemood/model__version1.0.0__.h5",
            sha256="75f55618fa5ff9d3bce00b5db0037f3fba5541e32f0acc743f55f65dcc0ff9da",
            size=4_709_704,
        ),
    ),
    build=family("facemood"),
    accuracy=(
        PublishedAccuracy(0.6985, "fer2013", "validation", 3589, "measured by fer_bench"),
        PublishedAccuracy(0.715, "fer2013", "test", 1500, "hand port made before fer_bench, random part"),
    ),
    family="plain convolutional net",
    trained_on="unknown",
    contaminated="probably trained on FER2013's PublicTest and PrivateTest: its accuracy on Training, "
    "PublicTest and PrivateTest is .700, .698 and .718, without a gap, and only ordinary on CK+",
    notes=(
        "Against the original in Keras 2, on 20 tensors of noise and 20 FER2013 images: largest "
        "difference in probability 1.8e-6, argmax equal on all 40.",
    ),
)
