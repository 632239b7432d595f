"""The cards of Ad-Corre: what is known of them, and where the weights are."""

from __future__ import annotations

from functools import partial

from fer_bench.core.model_card import ModelCard, PublishedAccuracy
from models_zoo.builders import family
from models_zoo.sources import AFFECTNET_7, FILE_NOT_SEEN, github

_ORDER = "The class order is AffectNet's, in which the authors' scripts write the labels."


_file = partial(github, "aliprf/Ad-Corre", "53aa0cc6d0721beef006e0d86e0b3745fb295082")


def _card(data: str, file: str, blob: str, accuracy: float, words: str, split: str, order: str = _ORDER) -> ModelCard:
    return ModelCard(
        name=f"ad-corre-{words}",
        title=f"Ad-Corre trained on {data}",
        task="expression",
        classes=AFFECTNET_7,
        input="224x224 RGB in [0, 1]",
        parameters=26_070_319,
        paper="Fard and Mahoor: Ad-Corre: Adaptive Correlation-Based Loss for Facial Expression Recognition in the "
        "Wild, IEEE Access 10, 2022",
        year=2022,
        licence="CC BY-NC-ND",
        files=(_file(f"trained_models/{file}", blob),),
        build=family("ad_corre"),
        accuracy=(PublishedAccuracy(accuracy, words, split, None, "name of the file at github.com/aliprf/Ad-Corre"),),
        family="Xception",
        trained_on=f"{data}; ImageNet before",
        notes=(
            FILE_NOT_SEEN,
            "Against the authors' own definition in Keras 3 with the same seeded weights on 3 images, through a file "
            "that Keras wrote: largest difference 3.3e-7 of logits up to .23, 4.5e-8 of probabilities.",
            order,
            "Their test loop drops the images that do not fill a batch of 50, so the number of images is not known.",
        ),
    )


CARDS = (
    _card(
        "AffectNet",
        "AffectNet_6336.h5",
        "ee906c932b9b8f02ea82961e32aa810cd1f4fdbb",
        0.6336,
        "affectnet7",
        "validation",
    ),
    _card(
        "RAF-DB",
        "RafDB_8696.h5",
        "d93f8aacda10a2b5d5e19aa75fbe66ea517462dd",
        0.8696,
        "rafdb",
        "test",
        "The class order is the only one that the authors write down; no code shows how they wrote RAF-DB's labels.",
    ),
    _card("FER2013", "Fer2013_7203.h5", "fb79faa2a5a6856cc08d820defda825d41a36758", 0.7203, "fer2013", "test"),
)
