"""The cards of POSTER V2: what is known of them, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, UserFile
from models_zoo.builders import family
from models_zoo.sources import (
    AFFECTNET_7,
    AFFECTNET_7_VALIDATION,
    AFFECTNET_8,
    AFFECTNET_8_VALIDATION,
    NOT_SEEN,
    RAF_DB,
    RAF_DB_TEST,
    compared,
)


def _card(name: str, data: str, classes: tuple[str, ...], accuracy: PublishedAccuracy, order: str) -> ModelCard:
    return ModelCard(
        name=name,
        title=f"POSTER V2 trained on {data}",
        task="expression",
        classes=classes,
        input="224x224 RGB, normalised as for ImageNet",
        parameters=58_316_594 if len(classes) == 7 else 58_317_363,
        paper="https://arxiv.org/abs/2301.12149",
        year=2023,
        licence="MIT",
        files=(UserFile(f"the authors' checkpoint for {data}", "https://github.com/Talented-Q/POSTER_V2"),),
        build=family("poster_v2", len(classes)),
        accuracy=(accuracy,),
        family="IR-50 and MobileFaceNet with a transformer",
        trained_on=f"{data}; IR-50 pretrained on MS-Celeb-1M, MobileFaceNet on landmarks",
        notes=(
            NOT_SEEN,
            compared(4, "1.7e-6", "1.6"),
            order,
            "Of the parameters 43.7 million are in use; the rest is in the checkpoints all the same.",
            "The authors' script writes only the optimiser into the file that it names 'model_best'; the weights are "
            "in the other one.",
        ),
    )


_SOURCE = "README of github.com/Talented-Q/POSTER_V2"


_BY_NUMBER = "Class order: the authors take folders in the order of their names; AffectNet's numbers are assumed."


RAFDB_CARD = _card(
    "poster-v2-rafdb",
    "RAF-DB",
    RAF_DB,
    PublishedAccuracy(0.9221, "rafdb", "test", RAF_DB_TEST, _SOURCE),
    "Class order: RAF-DB's, by the row sums of the authors' confusion matrix (329, 74, 160, 1185, 478, 162, 680), in "
    "which the names of disgust and anger are swapped.",
)


AFFECTNET7_CARD = _card(
    "poster-v2-affectnet7",
    "AffectNet-7",
    AFFECTNET_7,
    PublishedAccuracy(0.6749, "affectnet7", "validation", AFFECTNET_7_VALIDATION, _SOURCE),
    _BY_NUMBER,
)


AFFECTNET8_CARD = _card(
    "poster-v2-affectnet8",
    "AffectNet-8",
    AFFECTNET_8,
    PublishedAccuracy(0.6377, "affectnet8", "validation", AFFECTNET_8_VALIDATION, _SOURCE),
    _BY_NUMBER,
)


CARDS = (RAFDB_CARD, AFFECTNET7_CARD, AFFECTNET8_CARD)
