"""The card of SCN, the Self-Cure Network: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, UserFile
from models_zoo.builders import family
from models_zoo.sources import NOT_SEEN, RAF_DB, RAF_DB_TEST, compared

CARD = ModelCard(
    name="scn-rafdb",
    title="Self-Cure Network trained on RAF-DB",
    task="expression",
    classes=RAF_DB,
    input="224x224 RGB, normalised as for ImageNet",
    parameters=11_180_616,
    paper="https://arxiv.org/abs/2002.10392",
    year=2020,
    licence="none stated",
    files=(
        UserFile(
            "the checkpoint of SCN on RAF-DB, saved by src/train.py",
            "https://github.com/kaiwang960112/Self-Cure-Network",
        ),
    ),
    build=family("scn"),
    accuracy=(PublishedAccuracy(0.8703, "rafdb", "test", RAF_DB_TEST, "README of the repository, RAF-DB alone"),),
    family="ResNet-18",
    trained_on="RAF-DB; ResNet-18 pretrained on MS-Celeb-1M or ImageNet",
    notes=(
        NOT_SEEN,
        compared(4, "0", "0.1"),
        "The importance weight multiplies the logits at test time too: it scales them towards zero on images that "
        "the net finds uncertain, never past it, so the predicted class is that of the linear layer.",
        "The public file may hold other names if it comes from the paper's own code and not from the published "
        "src/train.py; it is then refused.",
    ),
)
