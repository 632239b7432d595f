"""The cards of CAF: what is known of them, and where the weights are."""

from __future__ import annotations

from functools import partial

from fer_bench.core.model_card import VALENCE_AROUSAL, ModelCard
from models_zoo.builders import family
from models_zoo.sources import CLAMPED, FILE_NOT_SEEN, compared, github

#: Faces are brought to the first size and cut to the second, as the authors' evaluation does.
RESIZED, SIDE = 256, 224


_INPUT = "256x256 RGB, central 224x224, normalised as for ImageNet"


_DEMO = (
    "The files are those of the authors' real-time demo, which cuts the face itself, stretches its values to 0..255 "
    "and {}; their evaluation of data sets, followed here, does not."
)


_UNPUBLISHED = "No result of these files is stated."


_caf_file = partial(
    github, "kdhht2334/Contrastive-Adversarial-Learning-FER", "bb9ec9507d2ed2349d6d285342e2bc423cc9cadb"
)


_elim_file = partial(github, "kdhht2334/ELIM_FER", "fb1aa0d495ffcf38494c487135390ba1a5521fc4")


CAF_CARD = ModelCard(
    name="caf",
    title="CAF, Contrastive Adversarial Learning, AlexNet",
    task="va",
    classes=VALENCE_AROUSAL,
    input=_INPUT,
    parameters=3_060_122,
    paper="https://doi.org/10.1609/aaai.v35i7.16743",
    year=2021,
    licence="none stated",
    files=(
        _caf_file("demonstration/weights/Encoder.t7", "0682ae01d35b2bd13c64d78a92e93032279004a7"),
        _caf_file("demonstration/weights/FC_layer.t7", "6cfe4e169517fc176c2857a14490ba893c07843e"),
    ),
    build=family("caf", function="build_caf"),
    revision=2,
    family="AlexNet",
    trained_on="Aff-Wild and AFEW-VA; ImageNet before",
    notes=(
        FILE_NOT_SEEN,
        compared(3, "0", "0.5"),
        "Of the two files only the encoder was not seen; the regressor's tensors have these names and shapes.",
        _DEMO.format("takes the camera's channel order"),
        f"{_UNPUBLISHED} For Aff-Wild the authors state RMSE .24 and .21, CCC .54 and .56 of valence and arousal.",
        CLAMPED,
    ),
)


ELIM_CARD = ModelCard(
    name="elim",
    title="ELIM, Optimal Transport-based Identity Matching, AlexNet",
    task="va",
    classes=VALENCE_AROUSAL,
    input=_INPUT,
    parameters=4_934_146,
    paper="https://arxiv.org/abs/2209.12172",
    year=2022,
    licence="MIT",
    files=(
        _elim_file("demo/weights/enc2.t7", "b3df32d59d372d9fa927bb0db03b0b2ce4a741d2"),
        _elim_file("demo/weights/reg2.t7", "eceaa8ad717ce0d36d85a60f21fd1b8cd22363a1"),
        _elim_file("demo/weights/header2.t7", "fe361a470f171f898f6014a7abba296711b62a60"),
    ),
    build=family("caf", function="build_elim"),
    revision=2,
    family="AlexNet",
    trained_on="unknown; ImageNet before",
    notes=(
        FILE_NOT_SEEN,
        compared(3, "0", "1"),
        "Of the three files only the header was seen; its tensors have these names and shapes.",
        _DEMO.format("moves the answers by .25 and .05"),
        _UNPUBLISHED,
        CLAMPED,
    ),
)


CARDS = (CAF_CARD, ELIM_CARD)
