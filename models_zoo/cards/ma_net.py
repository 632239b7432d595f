"""The cards of MA-Net: what is known of them, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, UserFile
from models_zoo.builders import family
from models_zoo.sources import (
    AFFECTNET_7,
    AFFECTNET_7_VALIDATION,
    AFFECTNET_8,
    AFFECTNET_8_VALIDATION,
    NOT_SEEN,
    RAF_DB_TEST,
    compared,
)


def _card(name: str, data: str, classes: tuple[str, ...], accuracy: PublishedAccuracy, *notes: str) -> ModelCard:
    return ModelCard(
        name=name,
        title=f"MA-Net trained on {data}",
        task="expression",
        classes=classes,
        input="224x224 RGB in [0, 1]",
        parameters=50_547_214 if len(classes) == 7 else 50_548_240,
        paper="https://doi.org/10.1109/TIP.2021.3093397",
        year=2021,
        licence="MIT",
        files=(UserFile(f"a checkpoint of MA-Net on {data}", "https://github.com/zengqunzhao/MA-Net"),),
        build=family("ma_net", len(classes)),
        accuracy=(accuracy,),
        family="ResNet-18 with two branches",
        trained_on=f"{data}; pretrained on MS-Celeb-1M",
        notes=(
            NOT_SEEN,
            compared(4, "2.4e-7", "2.2"),
            "The authors offer the net pretrained on faces only; a checkpoint is what their main.py saves.",
            "The authors do not normalise: pixels stay in [0, 1].",
            *notes,
        ),
    )


_SOURCE = "training log in github.com/zengqunzhao/MA-Net"


RAFDB_CARD = _card(
    "ma-net-rafdb",
    "RAF-DB",
    AFFECTNET_7,
    PublishedAccuracy(0.8840, "rafdb", "test", RAF_DB_TEST, _SOURCE),
    "The authors number the classes of RAF-DB as AffectNet does.",
)


AFFECTNET7_CARD = _card(
    "ma-net-affectnet7",
    "AffectNet-7",
    AFFECTNET_7,
    PublishedAccuracy(0.6453, "affectnet7", "validation", AFFECTNET_7_VALIDATION, _SOURCE),
)


AFFECTNET8_CARD = _card(
    "ma-net-affectnet8",
    "AffectNet-8",
    AFFECTNET_8,
    PublishedAccuracy(0.6029, "affectnet8", "validation", AFFECTNET_8_VALIDATION, _SOURCE),
)


CARDS = (RAFDB_CARD, AFFECTNET7_CARD, AFFECTNET8_CARD)
