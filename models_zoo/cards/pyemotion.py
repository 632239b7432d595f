"""The card of PyPI's `facial_emotion_recognition`: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PackageFile, PublishedAccuracy
from models_zoo.builders import family

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
    build=family("pyemotion"),
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
