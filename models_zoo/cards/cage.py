"""The cards of CAGE: what is known of them, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import VALENCE_AROUSAL, ModelCard, Task, UserFile
from models_zoo.builders import family
from models_zoo.sources import AFFECTNET_7, AFFECTNET_8, CLAMPED, NOT_SEEN, compared


def _card(name: str, data: str, names: tuple[str, ...], task: Task, published: str) -> ModelCard:
    return ModelCard(
        name=name,
        title=f"CAGE, MaxViT-T trained on {data}'s classes, valence and arousal together",
        task=task,
        classes=VALENCE_AROUSAL if task == "va" else names,
        input="224x224 RGB, normalised as for ImageNet",
        parameters=30_412_232 if len(names) == 7 else 30_412_744,
        paper="https://arxiv.org/abs/2404.14975",
        year=2024,
        licence="MIT",
        files=(
            UserFile(
                f"models/{data.replace('-', '')}_Maxvit_Combined/model.pt of the authors",
                "https://github.com/wagner-niklas/CAGE_expression_inference",
            ),
        ),
        build=family("cage", len(names), task),
        revision=2 if task == "va" else 1,
        family="MaxViT-T",
        trained_on=f"{data}; MaxViT-T pretrained on ImageNet",
        notes=(
            NOT_SEEN,
            compared(3, "0", "2.0", "torchvision's MaxViT-T with the authors' last layers"),
            f"Published for {data}'s validation set, this net: {published}. No accuracy is stated; on a set with "
            "equally many images a class the recall is one.",
            "The authors' webcam script cuts the ten outputs of the eight-class net after the seventh, so that its "
            "valence is the logit of contempt; their evaluation cuts after the eighth, as is done here.",
            *((CLAMPED,) if task == "va" else ()),
        ),
    )


_SEVEN = "precision .666, recall .664, F1 .664; both dimensions together RMSE .3077, CCC .7640"


_EIGHT = "precision .623, recall .621, F1 .621; both dimensions together RMSE .3701, CCC .6592"


CARDS = (
    _card("cage-affectnet7", "AffectNet-7", AFFECTNET_7, "expression", _SEVEN),
    _card("cage-affectnet7-va", "AffectNet-7", AFFECTNET_7, "va", _SEVEN),
    _card("cage-affectnet8", "AffectNet-8", AFFECTNET_8, "expression", _EIGHT),
    _card("cage-affectnet8-va", "AffectNet-8", AFFECTNET_8, "va", _EIGHT),
)
