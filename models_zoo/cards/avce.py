"""The cards of AVCE: what is known of them, and where the weights are."""

from __future__ import annotations

from functools import partial
from typing import Literal

from fer_bench.core.model_card import VALENCE_AROUSAL, ModelCard
from models_zoo.builders import family
from models_zoo.sources import CLAMPED, FILE_NOT_SEEN, github

Backbone = Literal["alexnet", "resnet18"]


#: Faces are brought to the first size and cut to the second, as the authors' validation does.
RESIZED, SIDE = 256, 224


_file = partial(github, "kdhht2334/AVCE_FER", "b47e9e75fe9a5a961cf6145e67694886d726bb7f")


def _card(backbone: Backbone, title: str, encoder: str, regressor: str, parameters: int, *notes: str) -> ModelCard:
    return ModelCard(
        name=f"avce-{backbone}",
        title=f"AVCE, {title}",
        task="va",
        classes=VALENCE_AROUSAL,
        input="256x256 RGB, central 224x224, normalised as for ImageNet",
        parameters=parameters,
        paper="Kim and Song: Emotion-aware Multi-view Contrastive Learning for Facial Emotion Recognition, ECCV 2022",
        year=2022,
        licence="none stated",
        files=(
            _file(f"pretrained_weights/{backbone}/encoder.t7", encoder),
            _file(f"pretrained_weights/{backbone}/regressor.t7", regressor),
        ),
        build=family("avce", backbone),
        revision=2,
        family=title,
        trained_on="AFEW-VA",
        notes=(
            FILE_NOT_SEEN,
            "Against the authors' own definition (its dropout off) with the same seeded weights on 3 images: names and "
            "shapes equal, difference 0.",
            "Of the two files only the encoder was not seen; the regressor's tensors have these names and shapes.",
            *notes,
            "AFEW-VA's labels go from -10 to 10. That they were divided by 10 is assumed; no code of theirs says so.",
            "No result of these two files is stated; for Aff-Wild the authors state RMSE .154 and .154, CCC .682 and "
            ".594 of valence and arousal with AlexNet.",
            CLAMPED,
        ),
    )


CARDS = (
    _card(
        "alexnet",
        "AlexNet",
        "04df752bca4325fb13af8766a20e3166a6294093",
        "689457e5bea995740c695c01871779c3c9ed7528",
        2_773_602,
    ),
    _card(
        "resnet18",
        "ResNet-18",
        "79dd0c018983ec7ee52175b8f420d18b310f043e",
        "e39b815ead20163c76f80e3cc25dc02240e66b8b",
        11_730_506,
        "Dropout is off. The authors' code leaves it on at inference (F.dropout2d without `training`), which makes "
        "their answers random and would pass noise in the gradient for robustness.",
    ),
)
