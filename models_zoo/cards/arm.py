"""The card of ARM, Amend Representation Module: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, UserFile
from models_zoo.builders import family
from models_zoo.sources import NOT_SEEN, RAF_DB, RAF_DB_TEST, compared

CARD = ModelCard(
    name="arm-rafdb",
    title="ResNet-18 with the Amend Representation Module on RAF-DB",
    task="expression",
    classes=RAF_DB,
    input="224x224 RGB, normalised as for ImageNet",
    parameters=11_178_395,
    paper="https://arxiv.org/abs/2103.10189",
    year=2021,
    licence="MIT",
    files=(
        UserFile(
            "a checkpoint saved by the authors' src/train_raf-db.py",
            "https://github.com/JiaweiShiCV/Amend-Representation-Module",
        ),
    ),
    build=family("arm"),
    accuracy=(PublishedAccuracy(0.9042, "rafdb", "test", RAF_DB_TEST, "abstract of the paper's first version"),),
    family="ResNet-18",
    trained_on="RAF-DB; ResNet-18 pretrained on faces",
    notes=(
        NOT_SEEN,
        compared(4, "0", "4.9", "the authors' code, one image at a time"),
        "The authors' module adds a mean over the batch at test time too: their accuracy, at batch size 64, is that of "
        "images that see each other. Here every image is a batch of its own, because an answer must not depend on "
        "others; the clean accuracy may differ for it.",
        "The authors offer no weights; a checkpoint is what their training script saves.",
    ),
)
