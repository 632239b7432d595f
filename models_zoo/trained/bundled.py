"""Our own trained checkpoints, which come with the package: a folder each beside this file, read here.

`ferbench train` wrote the weights and, but for the measured accuracy and the licence, the cards.
"""

from __future__ import annotations

from pathlib import Path

from models_zoo.own.card_file import CARD, read_card

FOLDER = Path(__file__).parent

CARDS = tuple(read_card(path, bundled=True) for path in sorted(FOLDER.glob(f"*/{CARD}")))
