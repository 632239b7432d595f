"""The cards of EmotiEffLib: what is known of them, and where the weights are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fer_bench.core.model_card import VALENCE_AROUSAL, ModelCard, PublishedAccuracy, Task
from models_zoo.builders import family
from models_zoo.sources import CLAMPED, FILE_NOT_SEEN, github

_file = partial(github, "sb-ai-lab/EmotiEffLib", "f1df0e8548c666d268826e50b7de107fd5553e9d")


_EIGHT = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")


_SEVEN = tuple(word for word in _EIGHT if word != "contempt")


@dataclass(frozen=True)
class OnnxFile:
    """One ONNX file: its pinned content, how its images are prepared, and what its authors say of it."""

    #: The card's.
    name: str
    #: The file's, without its ending.
    stem: str
    #: Git's digest of its content.
    blob: str
    #: In the authors' words.
    architecture: str
    #: Of the architecture; 0: unknown.
    parameters: int
    #: Images are resized to side x side.
    side: int
    #: The expressions, in the order of the outputs.
    classes: tuple[str, ...]
    #: The stated accuracy on AffectNet's eight expressions; None: none is stated.
    eight: float | None
    #: The stated accuracy on seven.
    seven: float
    #: Where they are stated.
    source: str
    #: It answers valence and arousal after the expressions.
    both: bool = False
    #: Pixels become (x - .5) / .5 instead of ImageNet's normalisation.
    halves: bool = False
    #: The stated errors of valence and arousal.
    va: str = ""


def _card(file: OnnxFile, task: Task) -> ModelCard:
    expression = task == "expression"
    accuracy = [PublishedAccuracy(file.seven, "affectnet7", "validation", 3500, file.source)]
    if file.eight is not None:
        accuracy = [
            PublishedAccuracy(file.eight, "affectnet8", "validation", 4000, file.source),
            PublishedAccuracy(file.seven, "affectnet7", "validation", 3500, f"{file.source}; contempt left out"),
        ]
    return ModelCard(
        name=file.name if expression else f"{file.name}-va",
        title=f"EmotiEffLib {file.stem}" + ("" if expression else ", valence and arousal"),
        task=task,
        classes=file.classes if expression else VALENCE_AROUSAL,
        input=f"{file.side}x{file.side} RGB, " + ("in [-1, 1]" if file.halves else "normalised as for ImageNet"),
        parameters=file.parameters,
        paper="Savchenko, Savchenko and Makarov: Classifying emotions and engagement in online learning based on a "
        "single facial expression recognition neural network, IEEE Transactions on Affective Computing 2022; "
        "Savchenko: Facial Expression Recognition with Adaptive Frame Rate based on Multiple Testing Correction, "
        "ICML 2023",
        year=2022,
        licence="Apache-2.0",
        files=(_file(f"models/affectnet_emotions/onnx/{file.stem}.onnx", file.blob),),
        build=family("emotiefflib", file, task),
        revision=2 if task == "va" else 1,
        accuracy=tuple(accuracy) if expression else (),
        family=file.architecture,
        trained_on="AffectNet, after face identification on VGGFace2",
        notes=(
            FILE_NOT_SEEN,
            _COMPARED,
            "The number of parameters is that of the architecture before its batch normalisations are folded.",
            *((f"Stated by its authors for AffectNet's 4,000 validation images: {file.va}.",) if file.va else ()),
            *(() if expression else (CLAMPED,)),
        ),
    )


_COMPARED = (
    "Networks of the library's four architectures with seeded weights, exported to ONNX (operator sets 11 and 17, "
    "batch size free and fixed) and read by our module: against onnxruntime 1.32 on 3 tensors of noise, largest "
    "difference 2.7e-5 of logits up to 4.3, and equal gradients to PyTorch's own network to 2e-5 of the largest "
    "(1.5e-2 where PReLU has its kink)."
)


_README = "README of github.com/sb-ai-lab/EmotiEffLib"


_NOTEBOOK = "training notebook in github.com/sb-ai-lab/EmotiEffLib"


_FILES = (
    OnnxFile(
        name="emotieff-b0-afew",
        stem="enet_b0_8_best_afew",
        blob="d87faf71e8756d68c701ffd88b4cde4be460f57d",
        architecture="EfficientNet-B0",
        parameters=4_017_796,
        side=224,
        classes=_EIGHT,
        eight=0.6095,
        seven=0.6463,
        source=_README,
    ),
    OnnxFile(
        name="emotieff-b0-vgaf",
        stem="enet_b0_8_best_vgaf",
        blob="49772db4e87ee6df57087fba131832a959e5c64d",
        architecture="EfficientNet-B0",
        parameters=4_017_796,
        side=224,
        classes=_EIGHT,
        eight=0.6132,
        seven=0.6457,
        source=_README,
    ),
    OnnxFile(
        name="emotieff-b0-mtl",
        stem="enet_b0_8_va_mtl",
        blob="7ce9d6dd5b82b260bc19bfe7822a6ffa1abb6011",
        architecture="EfficientNet-B0",
        parameters=4_020_358,
        side=224,
        classes=_EIGHT,
        eight=0.6193,
        seven=0.6494,
        source=_README,
        both=True,
        va="RMSE .434 and .387, CCC .594 and .549 of valence and arousal",
    ),
    OnnxFile(
        name="emotieff-b2-7",
        stem="enet_b2_7",
        blob="cdd6a6070b72ed2e59e15e810ae0ecdbcb0f7626",
        architecture="EfficientNet-B2",
        parameters=7_710_857,
        side=260,
        classes=_SEVEN,
        eight=None,
        seven=0.6634,
        source=_README,
    ),
    OnnxFile(
        name="emotieff-b2-8",
        stem="enet_b2_8",
        blob="a7cb612cbab1ce3d50dd52e57285fb2c7ea6d0d9",
        architecture="EfficientNet-B2",
        parameters=7_712_266,
        side=260,
        classes=_EIGHT,
        eight=0.6303,
        seven=0.6629,
        source=_README,
    ),
    OnnxFile(
        name="emotieff-mbf-mtl",
        stem="mbf_va_mtl",
        blob="194db927ec135679e5cd0a267c5605e2e9d68e7e",
        architecture="MobileFaceNet",
        parameters=2_064_650,
        side=112,
        classes=_EIGHT,
        eight=0.62325,
        seven=0.6517,
        source=f"{_NOTEBOOK}, where the file is called mbf_mtl",
        both=True,
        halves=True,
        va="RMSE .447 and .387, CCC .577 and .547 of valence and arousal",
    ),
    OnnxFile(
        name="emotieff-mobilevit-mtl",
        stem="mobilevit_va_mtl",
        blob="bed5781a1af9924536638ac3786603e124ee900e",
        architecture="MobileViT, size unknown",
        parameters=0,
        side=224,
        classes=_EIGHT,
        eight=0.625,
        seven=0.6646,
        source=f"{_NOTEBOOK}, where the file is called mobilevit_mtl",
        both=True,
        va="RMSE .423 and .371, CCC .599 and .565 of valence and arousal",
    ),
)


CARDS = tuple(_card(file, "expression") for file in _FILES) + tuple(_card(file, "va") for file in _FILES if file.both)
