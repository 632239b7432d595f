"""The card of EAC, Erasing Attention Consistency: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, UserFile
from models_zoo.builders import family
from models_zoo.sources import NOT_SEEN, RAF_DB, RAF_DB_TEST, compared

CARD = ModelCard(
    name="eac-rafdb",
    title="ResNet-50 trained with Erasing Attention Consistency on RAF-DB",
    task="expression",
    classes=RAF_DB,
    input="224x224 RGB, normalised as for ImageNet",
    parameters=23_522_375,
    paper="https://arxiv.org/abs/2207.10299",
    year=2022,
    licence="none stated",
    files=(
        UserFile(
            "the state dict of the authors' Model after their src/main.py",
            "https://github.com/zyh-uaiaaaa/Erasing-Attention-Consistency",
        ),
    ),
    build=family("eac"),
    accuracy=(PublishedAccuracy(0.90, "rafdb", "test", RAF_DB_TEST, "README of the repository: over 90 %"),),
    family="ResNet-50",
    trained_on="RAF-DB; ResNet-50 pretrained on faces",
    notes=(
        NOT_SEEN,
        compared(4, "7.6e-6", "38.5"),
        "The authors offer the pretrained ResNet-50 only, and their script saves nothing: whoever trains it saves "
        "model.state_dict().",
    ),
)
