"""The cards of What The Face's two nets: what is known of them, and where the weights are."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard, PackageFile, PublishedAccuracy
from models_zoo.builders import family


def _file(member: str, sha256: str, size: int) -> PackageFile:
    return PackageFile(
        registry="pypi",
        package="what_the_face_classification",
        version="0.0.27",
        member=f"what_the_face_classification/{member}",
        sha256=sha256,
        size=size,
    )


_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


_LICENCE = "conflicting: MIT in the package's metadata, GPL-3.0 in its bundled LICENSE"


_YEAR_NOTE = "The year is a guess: the dates inside the package say nothing."


_LICENCE_NOTE = (
    "Licence conflict: the package's metadata says MIT, its bundled LICENSE is the GPL v3; ask its author "
    "before redistributing anything of it."
)


_PAPER = "none; gitlab.com/jms.rdgrs/inference_package"


ACTIVE = ModelCard(
    name="wtf-active",
    title="What The Face, current net",
    task="expression",
    classes=_CLASSES,
    input="48x48 gray in [0, 1]",
    parameters=4_267_447,
    paper=_PAPER,
    year=2023,
    licence=_LICENCE,
    files=(_file("active_model.pth", "230e32bf184a77048519763b619be5cf056507c93825314de117fd5c0a9c1aa3", 17_074_383),),
    build=family("what_the_face", function="build_active"),
    accuracy=(
        PublishedAccuracy(0.5046, "fer2013", "validation", 3589, "measured by fer_bench"),
        PublishedAccuracy(0.521, "fer2013", "test", 3589, "hand port made before fer_bench"),
        PublishedAccuracy(0.534, "fer2013", "test", 1500, "hand port made before fer_bench, random part"),
    ),
    family="plain convolutional net",
    trained_on="FER2013 and CK+",
    notes=(_LICENCE_NOTE, _YEAR_NOTE, "Against the package's own module on 20 tensors of 48x48: difference 0."),
)


LAST_ACTIVE = ModelCard(
    name="wtf-last-active",
    title="What The Face, previous net",
    task="expression",
    classes=_CLASSES,
    input="48x48 gray in [0, 1]",
    parameters=620_015,
    paper=_PAPER,
    year=2023,
    licence=_LICENCE,
    files=(
        _file(
            "last_active_model.pth",
            "047c2a1437f08afe703b85be0b2e1ba220a087c55e5e09c2f6bb1f4dc0b94f09",
            2_485_315,
        ),
    ),
    build=family("what_the_face", function="build_last_active"),
    accuracy=(
        PublishedAccuracy(0.3316, "fer2013", "validation", 3589, "measured by fer_bench"),
        PublishedAccuracy(0.346, "fer2013", "test", 3589, "hand port made before fer_bench"),
        PublishedAccuracy(0.344, "fer2013", "test", 1500, "hand port made before fer_bench, random part"),
    ),
    family="plain convolutional net",
    trained_on="unknown",
    notes=(
        _LICENCE_NOTE,
        _YEAR_NOTE,
        "The package holds no definition of this net: one hidden layer, read off the weights, not two.",
    ),
)
