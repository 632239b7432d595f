"""What the families have in common whose weights the user brings: class orders, sizes of test sets, words of cards.

It must not know any family. The files themselves are read by `checkpoint.py`.
"""

from __future__ import annotations

from fer_bench.types import UNSEEN

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
