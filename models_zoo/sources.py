"""What the families share whose weights lie in their authors' repositories: addresses, class orders, words of cards.

It must not know any family.
"""

from __future__ import annotations

from urllib.parse import quote

from fer_bench.core.model_card import UNSEEN, WebFile

#: AffectNet's labels 0 to 7; its seven-class form ends before contempt.
AFFECTNET_8 = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
AFFECTNET_7 = AFFECTNET_8[:7]

FILE_NOT_SEEN = (
    f"{UNSEEN} the authors' file could not be had where this was written, so neither its layout nor the numbers that "
    "they state were verified."
)

#: What a card says of a head that goes through `clamped`.
CLAMPED = "The head is linear: values beyond [-1, 1] are clamped, with the gradient passed on."


def github(repository: str, commit: str, path: str, blob: str) -> WebFile:
    """The file `path` of a public repository ('owner/name') as it was at `commit`, with its git blob id."""
    return WebFile(f"https://raw.githubusercontent.com/{repository}/{commit}/{quote(path)}", blob)


#: RAF-DB's labels 1 to 7.
RAF_DB = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
#: Images in the sets that the families are judged on. Of AffectNet's 4,000 validation images 3,999 were given out.
RAF_DB_TEST = 3068
AFFECTNET_7_VALIDATION = 3500
AFFECTNET_8_VALIDATION = 3999

NOT_SEEN = (
    f"{UNSEEN} no checkpoint of the authors could be had where this was written, so neither its layout nor the stated "
    "accuracy was verified; measure the clean accuracy before anything else."
)


def compared(images: int, difference: str, largest: str, definition: str = "the authors' code") -> str:
    """The note that says how a net was held against its public definition; `largest` is the size of its logits."""
    return (
        f"Against the public definition ({definition}) with the same seeded weights and batch statistics, on {images} "
        f"images of the net's own size: largest difference in an output {difference}, outputs up to {largest}."
    )
