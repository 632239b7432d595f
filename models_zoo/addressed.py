"""What the families share whose weights lie in their authors' repositories: addresses, class orders, words of cards.

It must not know any family.
"""

from __future__ import annotations

from urllib.parse import quote

from fer_bench.types import UNSEEN, WebFile

#: AffectNet's labels 0 to 7; its seven-class form ends before contempt.
AFFECTNET_8 = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
AFFECTNET_7 = AFFECTNET_8[:7]

NOT_SEEN = (
    f"{UNSEEN} the authors' file could not be had where this was written, so neither its layout nor the numbers that "
    "they state were verified."
)

#: What a card says of a head that goes through `clamped`.
CLAMPED = "The head is linear: values beyond [-1, 1] are clamped, with the gradient passed on."


def github(repository: str, commit: str, path: str, blob: str) -> WebFile:
    """The file `path` of a public repository ('owner/name') as it was at `commit`, with its git blob id."""
    return WebFile(f"https://raw.githubusercontent.com/{repository}/{commit}/{quote(path)}", blob)
