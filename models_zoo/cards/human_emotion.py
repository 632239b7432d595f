"""The card of the emotion net of npm's @vladmandic/human: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PackageFile, PublishedAccuracy
from models_zoo.builders import family

_PACKAGE, _VERSION = "@vladmandic/human", "3.3.6"


_CDN = f"https://unpkg.com/{_PACKAGE}@{_VERSION}"


CARD = ModelCard(
    name="human",
    title="Emotion net of the Human library",
    task="expression",
    classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    input="64x64 gray in [-1, 1]",
    parameters=205_127,
    paper="none of its own; credited to github.com/oarriaga/face_classification (arXiv:1710.07557)",
    year=2017,
    licence="MIT",
    files=(
        PackageFile(
            registry="npm",
            package=_PACKAGE,
            version=_VERSION,
            member="models/emotion.json",
            sha256="56f7e557eb0c863a8b9ab04ac7ccba756e93bf2c27dce135ef0e8712b80b7ad2",
            size=17_980,
            url=f"{_CDN}/models/emotion.json",
        ),
        PackageFile(
            registry="npm",
            package=_PACKAGE,
            version=_VERSION,
            member="models/emotion.bin",
            sha256="927ac8224f356ab1e68c2bcfbfa07b0c8567047d1bcf817388ba6e38214c4987",
            size=820_516,
            url=f"{_CDN}/models/emotion.bin",
        ),
    ),
    build=family("human_emotion"),
    accuracy=(
        PublishedAccuracy(0.5520, "fer2013", "validation", 3589, "measured by fer_bench"),
        PublishedAccuracy(0.565, "fer2013", "test", 3589, "hand port made before fer_bench"),
        PublishedAccuracy(0.581, "fer2013", "test", 1500, "hand port made before fer_bench, random part"),
    ),
    family="XCEPTION, two blocks",
    trained_on="unknown",
    notes=(
        "The year is that of the work it credits.",
        "Against the original in TensorFlow.js 4.22, on 20 tensors of noise and 20 FER2013 images: largest "
        "difference in probability 4.8e-7, argmax equal on all 40.",
    ),
)
