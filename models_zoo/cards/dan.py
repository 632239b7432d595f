"""The cards of DAN, "Distract Your Attention": what is known of them, and where the weights are."""

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


def _card(
    name: str, data: str, classes: tuple[str, ...], parameters: int, file: str, accuracy: PublishedAccuracy
) -> ModelCard:
    return ModelCard(
        name=name,
        title=f"DAN trained on {data}",
        task="expression",
        classes=classes,
        input="224x224 RGB, normalised as for ImageNet",
        parameters=parameters,
        paper="https://arxiv.org/abs/2109.07270",
        year=2021,
        licence="MIT",
        files=(UserFile(f"{file}, the authors' checkpoint for {data}", "https://github.com/yaoing/DAN"),),
        build=family("dan", len(classes)),
        accuracy=(accuracy,),
        family="ResNet-18 with attention",
        trained_on=f"{data}; ResNet-18 pretrained on MS-Celeb-1M",
        notes=(
            NOT_SEEN,
            compared(4, "0", "21.3"),
            "The best epoch was chosen on the set that the accuracy is stated for.",
        ),
    )


_SOURCE = "README of github.com/yaoing/DAN"


RAFDB_CARD = _card(
    "dan-rafdb",
    "RAF-DB",
    RAF_DB,
    19_723_733,
    "epoch21_acc0.897_bacc0.8532.pth",
    PublishedAccuracy(0.8970, "rafdb", "test", RAF_DB_TEST, _SOURCE),
)


AFFECTNET7_CARD = _card(
    "dan-affectnet7",
    "AffectNet-7",
    AFFECTNET_7,
    19_723_733,
    "affecnet7_epoch6_acc0.6569.pth",
    PublishedAccuracy(0.6569, "affectnet7", "validation", AFFECTNET_7_VALIDATION, _SOURCE),
)


AFFECTNET8_CARD = _card(
    "dan-affectnet8",
    "AffectNet-8",
    AFFECTNET_8,
    19_724_248,
    "affecnet8_epoch5_acc0.6209.pth",
    PublishedAccuracy(0.6209, "affectnet8", "validation", AFFECTNET_8_VALIDATION, _SOURCE),
)


CARDS = (RAFDB_CARD, AFFECTNET7_CARD, AFFECTNET8_CARD)
