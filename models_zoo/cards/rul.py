"""The card of RUL, Relative Uncertainty Learning: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, UserFile
from models_zoo.builders import family
from models_zoo.sources import NOT_SEEN, RAF_DB, RAF_DB_TEST, compared

CARD = ModelCard(
    name="rul-rafdb",
    title="Relative Uncertainty Learning on RAF-DB",
    task="expression",
    classes=RAF_DB,
    input="224x224 RGB, normalised as for ImageNet",
    parameters=14_388_615,
    paper="https://openreview.net/forum?id=h1-ilmYbdea",
    year=2021,
    licence="none stated",
    files=(
        UserFile(
            "acc_888.pth, saved by the authors' src/main.py",
            "https://github.com/zyh-uaiaaaa/Relative-Uncertainty-Learning",
        ),
    ),
    build=family("rul"),
    accuracy=(PublishedAccuracy(0.888, "rafdb", "test", RAF_DB_TEST, "src/main.py saves from this accuracy on"),),
    family="ResNet-18",
    trained_on="RAF-DB; ResNet-18 pretrained on MS-Celeb-1M",
    notes=(
        NOT_SEEN,
        compared(4, "0", "5.5"),
        "The authors offer the pretrained ResNet-18 only; a checkpoint is what their training script saves.",
    ),
)
