"""The card of APViT: what is known of it, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, UserFile
from models_zoo.builders import family
from models_zoo.sources import NOT_SEEN, RAF_DB_TEST, compared

CARD = ModelCard(
    name="apvit-rafdb",
    title="APViT trained on RAF-DB",
    task="expression",
    classes=("angry", "disgust", "fear", "sad", "happy", "surprise", "neutral"),
    input="112x112 RGB, normalised as for ImageNet",
    parameters=65_209_543,
    paper="https://arxiv.org/abs/2212.05463",
    year=2022,
    licence="Apache-2.0",
    files=(UserFile("APViT_RAF-3eeecf7d.pth, the authors' checkpoint", "https://github.com/youqingxiaozhua/APViT"),),
    build=family("apvit"),
    accuracy=(PublishedAccuracy(0.9198, "rafdb", "test", RAF_DB_TEST, "README of github.com/youqingxiaozhua/APViT"),),
    family="IR-50 with a transformer",
    trained_on="RAF-DB; IR-50 pretrained on MS-Celeb-1M, ViT-S on ImageNet",
    notes=(
        NOT_SEEN,
        compared(4, "0", "3.2"),
        "The authors renumber RAF-DB's classes to a list of their own, which is the order here.",
        "Faces are aligned anew by MTCNN for the stated accuracy; RAF-DB's own crops may cost some of it.",
        "Which tokens are dropped changes in jumps with the image; the gradient sees the tokens that stay.",
    ),
)
