"""The card of FaceExpressionNet of face-api.js: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PackageFile, PublishedAccuracy
from models_zoo.builders import family

_PACKAGE, _VERSION = "@vladmandic/face-api", "1.7.15"


_CDN = f"https://unpkg.com/{_PACKAGE}@{_VERSION}"


CARD = ModelCard(
    name="face-api",
    title="FaceExpressionNet of face-api.js",
    task="expression",
    classes=("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"),
    input="112x112 RGB, (255x - [122.782, 117.001, 104.298]) / 255",
    parameters=323_687,
    paper="none; github.com/justadudewhohacks/face-api.js, packaged by github.com/vladmandic/face-api",
    year=2018,
    licence="MIT",
    files=(
        PackageFile(
            registry="npm",
            package=_PACKAGE,
            version=_VERSION,
            member="model/face_expression_model-weights_manifest.json",
            sha256="5b349c17c7836da506e03422cd6461c74085d8bb2713ad4114647dc5d28174c8",
            size=6_980,
            url=f"{_CDN}/model/face_expression_model-weights_manifest.json",
        ),
        PackageFile(
            registry="npm",
            package=_PACKAGE,
            version=_VERSION,
            member="model/face_expression_model.bin",
            sha256="9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d",
            size=329_468,
            url=f"{_CDN}/model/face_expression_model.bin",
        ),
    ),
    build=family("face_api"),
    accuracy=(
        PublishedAccuracy(0.5548, "fer2013", "validation", 3589, "measured by fer_bench"),
        PublishedAccuracy(0.592, "fer2013", "test", 1500, "hand port made before fer_bench, random part"),
    ),
    family="face-api dense separable net",
    trained_on="unknown",
    notes=(
        "Its documentation says: trained on images 'from publicly available datasets as well as images "
        "scraped from the web'; it names none.",
        "Against the original in TensorFlow.js 4.22, on 20 tensors of noise and 20 FER2013 images: largest "
        "difference in probability 1.3e-6, argmax equal on all 40.",
        "The year is that of face-api.js as remembered, not looked up.",
        "Its own resizing (no half-pixel centres) changes the FER2013 validation accuracy by .001. It pads "
        "images that are not square with black; here they are stretched.",
    ),
)
