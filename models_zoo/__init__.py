"""MODELS: the registry of pretrained models, one card file a family. Importing it needs no network and no torch."""

from __future__ import annotations

from fer_bench.core.model_card import ModelCard
from fer_bench.registry import Registry
from models_zoo.cards import (
    ad_corre,
    apvit,
    arm,
    avce,
    caf,
    cage,
    dan,
    ddamfn,
    dmue,
    eac,
    efficientface,
    emonet,
    emotiefflib,
    face_api,
    facemood,
    human_emotion,
    libreface,
    ma_net,
    mini_xception,
    poster_v2,
    pyemotion,
    rmn,
    rul,
    scn,
    what_the_face,
)
from models_zoo.trained import bundled

MODELS: Registry[ModelCard] = Registry("model", "ferbench.models")

for _card in (
    mini_xception.CARD,
    face_api.CARD,
    human_emotion.CARD,
    what_the_face.ACTIVE,
    what_the_face.LAST_ACTIVE,
    pyemotion.CARD,
    facemood.CARD,
    *bundled.CARDS,
    *emotiefflib.CARDS,
    *emonet.CARDS,
    *ddamfn.CARDS,
    *avce.CARDS,
    *libreface.CARDS,
    *ad_corre.CARDS,
    *dan.CARDS,
    *poster_v2.CARDS,
    *efficientface.CARDS,
    scn.CARD,
    rmn.CARD,
    *cage.CARDS,
    *ma_net.CARDS,
    rul.CARD,
    arm.CARD,
    dmue.CARD,
    eac.CARD,
    apvit.CARD,
    *caf.CARDS,
):
    MODELS.register(_card.name, _card)

__all__ = ["MODELS"]
