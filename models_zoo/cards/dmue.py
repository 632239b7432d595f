"""The card of DMUE, Dive into Ambiguity: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, UserFile
from models_zoo.builders import family
from models_zoo.sources import AFFECTNET_8, AFFECTNET_8_VALIDATION, NOT_SEEN, compared

#: Faces are brought to the first size and cut to the second, as the authors' test does.
RESIZED, SIDE = 256, 224


CARD = ModelCard(
    name="dmue-affectnet8",
    title="DMUE, target branch of ResNet-18 on AffectNet-8",
    task="expression",
    classes=AFFECTNET_8,
    input="224x224 RGB in [-1, 1], cut from 256x256",
    parameters=11_181_632,
    paper="https://arxiv.org/abs/2104.00232",
    year=2021,
    licence="Apache-2.0",
    files=(
        UserFile(
            "AffectNet_res18_acc0.6285.pth, as the authors' convert_weights.py writes it from their checkpoint",
            "https://github.com/JDAI-CV/FaceX-Zoo/tree/main/addition_module/DMUE",
        ),
    ),
    build=family("dmue"),
    accuracy=(
        PublishedAccuracy(0.6285, "affectnet8", "validation", AFFECTNET_8_VALIDATION, "name of the authors' file"),
    ),
    family="ResNet-18",
    trained_on="AffectNet-8; ResNet-18 pretrained on MS-Celeb-1M",
    notes=(
        NOT_SEEN,
        compared(4, "0", "14.5"),
        "Only the central 224x224 of 256x256 is seen: a perturbation of the border has no effect.",
        "Faces are aligned by the authors' own landmarks; other crops may cost accuracy.",
    ),
)
