"""The cards of EmoNet: what is known of them, and where the weights are."""

from __future__ import annotations

from functools import partial

from fer_bench.core.model_card import VALENCE_AROUSAL, ModelCard, PublishedAccuracy, Task
from models_zoo.builders import family
from models_zoo.sources import AFFECTNET_8, CLAMPED, FILE_NOT_SEEN, github

_file = partial(github, "face-analysis/emonet", "49eef301513686d6cfd8304682d3ba7216baf398")


_README = "README of github.com/face-analysis/emonet; the mean over each image and its mirror image"


_STATED = {
    5: "valence CCC .90, PCC .90, RMSE .24, SAGR .85; arousal CCC .80, PCC .80, RMSE .24, SAGR .79",
    8: "valence CCC .82, PCC .82, RMSE .29, SAGR .84; arousal CCC .75, PCC .75, RMSE .27, SAGR .80",
}


_FIVE = (
    "The fifth class is anger: the authors' data loader keeps AffectNet's labels 0, 1, 2, 3 and 6 and writes 4 for 6. "
    "Their README calls it fear."
)


def _card(expressions: int, blob: str, parameters: int, accuracy: float, task: Task) -> ModelCard:
    is_va = task == "va"
    classes = AFFECTNET_8 if expressions == 8 else (*AFFECTNET_8[:4], "angry")
    return ModelCard(
        name=f"emonet-{expressions}" + ("-va" if is_va else ""),
        title=f"EmoNet, {expressions} classes" + (", valence and arousal" if is_va else ""),
        task=task,
        classes=VALENCE_AROUSAL if is_va else classes,
        input="256x256 RGB in [0, 1]",
        parameters=parameters,
        paper="Toisoul, Kossaifi, Bulat, Tzimiropoulos and Pantic: Estimation of continuous valence and arousal levels "
        "from faces in naturalistic conditions, Nature Machine Intelligence 2021",
        year=2021,
        licence="CC BY-NC-ND 4.0",
        files=(_file(f"pretrained/emonet_{expressions}.pth", blob),),
        build=family("emonet", expressions, task),
        revision=2 if task == "va" else 1,
        accuracy=()
        if is_va
        else (PublishedAccuracy(accuracy, f"affectnet{expressions}, cleaned by the authors", "test", None, _README),),
        family="EmoNet",
        trained_on="AffectNet, on a face aligner that was trained before and frozen",
        notes=(
            FILE_NOT_SEEN,
            "Against the authors' own definition with the same seeded weights on 3 images: names and shapes equal, "
            "largest difference 2.4e-6 of logits up to 2.9, 1.9e-6 of valence and arousal; in float64 7.1e-15.",
            f"Stated by its authors for their cleaned AffectNet test set: {_STATED[expressions]}.",
            *((_FIVE,) if expressions == 5 else ()),
            *((CLAMPED,) if is_va else ()),
        ),
    )


_EIGHT = partial(_card, 8, "6833bfdcf8fc761deb7630256a750cf1f7c850c1", 13_963_410, 0.75)


_FIVE_CLASSES = partial(_card, 5, "61358cb3ea0fe410c01ee4ffff5ed1b49713af98", 13_963_023, 0.82)


CARDS = (_EIGHT("expression"), _FIVE_CLASSES("expression"), _EIGHT("va"), _FIVE_CLASSES("va"))
