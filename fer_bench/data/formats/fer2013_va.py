"""`fer2013-va`: a proxy for a valence-arousal set, made of FER2013's expressions. Nobody rated its images.

Public valence-arousal data may not be bundled or needs a contract. To exercise regressors without it, each image of
FER2013 is given the point of its expression in the plane of valence and arousal. The points are the mean ratings of
the emotion terms angry, disgusted, fearful, happy, sad and surprised for pleasure and arousal in Russell and
Mehrabian, "Evidence for a three-factor theory of emotions", Journal of Research in Personality 11 (1977), 273-294;
neutral is the origin. They are ratings of words, not of faces, and all images of a class share one point: a number on
this set says how robust a regressor is, not how well it reads valence and arousal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from fer_bench.data import layout
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.data.formats import fer2013

#: Valence and arousal of each class of FER2013, in its order.
MEANS = {
    "angry": (-0.51, 0.59),
    "disgust": (-0.60, 0.35),
    "fear": (-0.64, 0.60),
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "surprise": (0.40, 0.67),
    "neutral": (0.0, 0.0),
}


def find(path: str | None, split: str | None) -> Contents:
    """FER2013 as `fer2013.find` finds it, each image with the values of its expression."""
    if path is None:
        layout.find_root(path, "fer2013-va", "FER2013", fer2013.LAYOUTS)
    real = fer2013.find(path, split)
    return Contents(
        name="fer2013-va (proxy)",
        source=real.source.replace("fer2013:", "fer2013-va:", 1),
        classes=real.classes,
        samples=partial(_rated, real),
        count=real.count,
        notes=(
            *real.notes,
            "proxy: every image has the valence and arousal of its expression's word (Russell and Mehrabian 1977); "
            "nobody rated the images",
        ),
    )


def _rated(real: Contents) -> Iterator[Sample]:
    points = [MEANS[word] for word in real.classes]
    for sample in real.samples():
        yield replace(sample, values=points[sample.label])


CARD = DatasetCard(
    name="fer2013-va",
    title="Proxy, not rated by anybody: FER2013 with the valence and arousal of each expression's word",
    classes=fer2013.CLASSES,
    layouts=fer2013.LAYOUTS,
    splits=fer2013.SPLITS,
    licence=fer2013.LICENCE,
    redistributable=False,
    needs_path=True,
    find=find,
)
