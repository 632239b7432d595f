"""The cards of EfficientFace: what is known of them, and where the weights are."""

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

#: Means and deviations of the data sets' own pixels, from the authors' test script.
_RAF_DB_PIXELS = ((0.57535914, 0.44928582, 0.40079932), (0.20735591, 0.18981615, 0.18132027))


_AFFECTNET_PIXELS = ((0.55391484, 0.43522123, 0.3821877), (0.24837189, 0.21625527, 0.20221159))


_CAERS_PIXELS = ((0.35964426, 0.22359873, 0.19040863), (0.15188067, 0.11678473, 0.1103445))


Pixels = tuple[tuple[float, ...], tuple[float, ...]]


def _card(
    name: str, data: str, classes: tuple[str, ...], pixels: Pixels, accuracy: PublishedAccuracy, *notes: str
) -> ModelCard:
    return ModelCard(
        name=name,
        title=f"EfficientFace trained on {data}",
        task="expression",
        classes=classes,
        input=f"224x224 RGB, normalised by {data}'s pixel statistics",
        parameters=1_275_293 if len(classes) == 7 else 1_276_318,
        paper="https://doi.org/10.1609/aaai.v35i4.16465",
        year=2021,
        licence="MIT",
        files=(UserFile(f"the authors' checkpoint for {data}", "https://github.com/zengqunzhao/EfficientFace"),),
        build=family("efficientface", len(classes), pixels),
        accuracy=(accuracy,),
        family="ShuffleNetV2",
        trained_on=f"{data}, with label distributions of a ResNet-50",
        notes=(
            NOT_SEEN,
            compared(4, "5.5e-6", "6.2"),
            "The authors number the classes of RAF-DB as AffectNet does, and name those of CAER-S in that order.",
            *notes,
        ),
    )


_SOURCE = "README of github.com/zengqunzhao/EfficientFace"


RAFDB_CARD = _card(
    "efficientface-rafdb",
    "RAF-DB",
    AFFECTNET_7,
    _RAF_DB_PIXELS,
    PublishedAccuracy(0.8836, "rafdb", "test", RAF_DB_TEST, _SOURCE),
)


AFFECTNET7_CARD = _card(
    "efficientface-affectnet7",
    "AffectNet-7",
    AFFECTNET_7,
    _AFFECTNET_PIXELS,
    PublishedAccuracy(0.6370, "affectnet7", "validation", AFFECTNET_7_VALIDATION, _SOURCE),
)


AFFECTNET8_CARD = _card(
    "efficientface-affectnet8",
    "AffectNet-8",
    AFFECTNET_8,
    _AFFECTNET_PIXELS,
    PublishedAccuracy(0.5989, "affectnet8", "validation", AFFECTNET_8_VALIDATION, _SOURCE),
)


CAERS_CARD = _card(
    "efficientface-caers",
    "CAER-S",
    AFFECTNET_7,
    _CAERS_PIXELS,
    PublishedAccuracy(0.8587, "caers", "test", 20_987, _SOURCE),
    "The authors' scripts normalise for CAER-S in two ways: by its pixel statistics (taken here) and by .5 and .5.",
)


CARDS = (RAFDB_CARD, AFFECTNET7_CARD, AFFECTNET8_CARD, CAERS_CARD)
