"""The cards of LibreFace: what is known of them, and where the weights are."""

from __future__ import annotations

from functools import partial
from typing import Literal

from fer_bench.core.model_card import ModelCard
from models_zoo.builders import family
from models_zoo.sources import AFFECTNET_8, FILE_NOT_SEEN, github

Backbone = Literal["resnet", "repvgg"]


_file = partial(github, "ihp-lab/LibreFace", "7bf7ed7360a01bb5523f4309e8beacb1b403ad2d")


def _card(backbone: Backbone, title: str, folder: str, blob: str, parameters: int, paper: str, year: int) -> ModelCard:
    return ModelCard(
        name=f"libreface-{backbone}",
        title=f"LibreFace, {title}",
        task="expression",
        classes=AFFECTNET_8,
        input="224x224 RGB, normalised as for ImageNet",
        parameters=parameters,
        paper=paper,
        year=year,
        licence="USC, non-commercial use only",
        files=(_file(f"Facial_Expression_Recognition/{folder}/AffectNet/{backbone}.pt", blob),),
        build=family("libreface", backbone),
        family=title,
        trained_on="AffectNet, by distillation; ImageNet before",
        notes=(
            FILE_NOT_SEEN,
            "Against the authors' own definition (its sigmoid cut) with the same seeded weights on 3 images: names and "
            "shapes equal, difference 0.",
            "Trained with cross-entropy on the outputs of sigmoids; they are cut here, which changes no prediction.",
            "The authors align faces with MediaPipe's landmarks. Their README states no accuracy on AffectNet, and "
            "their papers were not at hand.",
        ),
    )


CARDS = (
    _card(
        "resnet",
        "ResNet-18",
        "checkpoints_fm_resnet",
        "bfcc31ba14f8bbf3ab7825fc0c6db6ee13d193eb",
        11_243_464,
        "Chang, Yin, Li, Tran and Soleymani: LibreFace: An Open-Source Toolkit for Deep Facial Expression Analysis, "
        "WACV 2024, arXiv:2308.10713",
        2024,
    ),
    _card(
        "repvgg",
        "RepVGG-A0",
        "new_checkpoints_fm_repvgg",
        "e7f1e419e3ea4a977dddaedef639349749394a6b",
        9_688_432,
        "Guan, Chaubey et al.: LibreFace 2.0: A Generalizable Facial Expression Analysis Toolkit Leveraging Synthetic "
        "Data, FG 2026",
        2026,
    ),
)
