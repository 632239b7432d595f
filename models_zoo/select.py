"""What people write after --models becomes cards: names, 'all', models of their own, defended variants, weights.

It builds nothing; a file that must be brought is asked for when the model is fetched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from fer_bench.core.model_card import ModelCard, UserFile, WebFile
from fer_bench.errors import UsageError
from fer_bench.fetch import cache
from fer_bench.fetch import cards as fetch_cards
from fer_bench.registry import unknown_name
from models_zoo.catalogue import every_model
from models_zoo.defences.defended import defended, split_defences
from models_zoo.own.card_file import CARD, read_card
from models_zoo.own.one_line import is_own, own_card

#: How many models are named in a message.
_NAMED = 4


def choose_models(
    names: str | Iterable[str | ModelCard],
    classes: str | Sequence[str] = (),
    given: str = "",
    weights: Iterable[str] = (),
) -> list[ModelCard]:
    """The cards of 'all', of a comma-separated list of names, or of a sequence of names and cards.

    'all' leaves out what the user would have to bring, and files at addresses that are not in the cache (`left_out`
    says which); 'all-addresses' takes those too. `classes` and `given` (its input in words) are for models of the
    user's own; `weights` are NAME=FILE. Raises UsageError with near misses for an unknown name.
    """
    asked: list[str | ModelCard] = list(names.split(",")) if isinstance(names, str) else list(names)
    words = classes.split(",") if isinstance(classes, str) else classes
    labels = [word.strip() for word in words if word.strip()]
    chosen: list[ModelCard] = []
    for item in asked:
        if isinstance(item, ModelCard):
            chosen.append(item)
        elif item.strip() in ("all", "all-addresses"):
            chosen += [card for card in every_model() if not _missing(card, item.strip())]
        elif item.strip():
            chosen.append(find_model(item.strip(), labels, given))
    if not chosen:
        raise UsageError("no model was named; give names separated by commas, or 'all'.")
    if (labels or given) and not any(card.own for card in chosen):
        raise UsageError("--classes and --input are for models of your own; registered models know theirs.")
    unique: dict[str, ModelCard] = {}
    for card in bring(chosen, weights):
        if unique.setdefault(card.name, card) is not card:
            raise UsageError(f"two models are called '{card.name}'; names are unique, rename one of them.")
    return list(unique.values())


def find_model(text: str, classes: Sequence[str] = (), given: str = "") -> ModelCard:
    """The card of a name, of a folder with a card.toml or of a model of the user's own, with its defences ('+blur')."""
    name, names = split_defences(text)
    if is_own(name):
        card = own_card(name, classes, given)
    elif (Path(name) / CARD).is_file():
        card = dataclasses.replace(read_card(Path(name) / CARD), own=name)
    else:
        known = {card.name: card for card in every_model()}
        if name not in known:
            raise unknown_name("model", name, list(known))
        card = known[name]
    return defended(card, names)


def bring(cards: Iterable[ModelCard], weights: Iterable[str]) -> list[ModelCard]:
    """The cards with the files of `weights` (NAME=FILE, in the card's order where it needs several) in their places.

    The digest of a brought file becomes part of the model's identity. A variant NAME+jpeg75 takes NAME's file.
    """
    given: dict[str, list[str]] = {}
    for pair in weights:
        name, equals, path = pair.partition("=")
        if not equals or not name.strip() or not path.strip():
            raise UsageError(f"--weights {pair} cannot be read; write NAME=FILE.")
        given.setdefault(name.strip(), []).append(path.strip())
    brought, used = [], set()
    for card in cards:
        name = split_defences(card.name)[0]
        paths = given.get(name)
        if paths is not None:
            used.add(name)
            wanted = [file for file in card.files if isinstance(file, UserFile)]
            if not wanted:
                raise UsageError(f"--weights {name}=...: {name} needs no file of yours; leave the option out.")
            if len(paths) != len(wanted):
                whats = ", ".join(file.what for file in wanted)
                raise UsageError(
                    f"{name} needs {len(wanted)} files ({whats}); --weights {name}=FILE gives {len(paths)}."
                )
            here = iter(paths)
            files = [fetch_cards.local_file(next(here)) if isinstance(file, UserFile) else file for file in card.files]
            card = dataclasses.replace(card, files=tuple(files))
        brought.append(card)
    for name in given:
        if name not in used:
            raise UsageError(f"--weights {name}=...: {name} is not among the models of this run; name it in --models.")
    return brought


def _missing(card: ModelCard, asked: str) -> str:
    """Why 'all' leaves a model out; empty where it does not."""
    if any(isinstance(file, UserFile) for file in card.files):
        return "bring-your-own"
    far = asked == "all" and any(isinstance(file, WebFile) and cache.cached(file) is None for file in card.files)
    return "not fetched" if far else ""


def left_out(names: str | Iterable[str | ModelCard]) -> str:
    """One line that says which models 'all' leaves out and how to have them; empty where nothing is left out."""
    asked = names.split(",") if isinstance(names, str) else list(names)
    words = [item.strip() for item in asked if isinstance(item, str)]
    for word in ("all-addresses", "all"):
        if word in words:
            why = {card.name: _missing(card, word) for card in every_model()}
            named = set(words)
            far = [name for name, reason in why.items() if reason == "not fetched" and name not in named]
            own = [name for name, reason in why.items() if reason == "bring-your-own" and name not in named]
            parts = [f"not fetched yet: {_few(far)} (take them along with --models all-addresses)"] if far else []
            parts += [f"weights that only you can bring: {_few(own)} (--weights NAME=FILE)"] if own else []
            return f"'{word}' leaves out {'; '.join(parts)}." if parts else ""
    return ""


def _few(names: Sequence[str]) -> str:
    """Up to four names, or the first three and how many more there are."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} more of `ferbench models list`"
