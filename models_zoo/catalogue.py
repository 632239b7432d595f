"""Every model there is, and where its weights are, in words. It reads cards alone: no torch, no model, no network."""

from __future__ import annotations

from fer_bench.core.model_card import CardFile, LocalFile, ModelCard, PackageFile, UserFile, WebFile
from fer_bench.fetch import cache
from models_zoo import MODELS
from models_zoo.own import added


def every_model() -> list[ModelCard]:
    """All registered models, then those that the user has added."""
    return [*MODELS, *added.cards()]


def weights(card: ModelCard) -> str:
    """Where a model's weights are, in words: bundled, package, address, bring-your-own or own, and what is to fetch."""
    if not card.files:
        return "none needed"
    missing = [file for file in card.files if cache.cached(file) is None]
    brought = [file for file in missing if isinstance(file, UserFile)]
    if brought:
        return f"bring-your-own: --weights {card.name}=FILE"
    kinds = " and ".join(dict.fromkeys(_kind(file) for file in card.files))
    if not missing:
        return f"{kinds}, on this machine" if kinds in ("own file", "bundled") else f"{kinds}, cached"
    sizes = [file.size for file in missing if not isinstance(file, UserFile) and file.size is not None]
    amount = f", {sum(sizes) / 2**20:.1f} MiB" if len(sizes) == len(missing) else ""
    return f"{kinds}{amount} to fetch"


def _kind(file: CardFile) -> str:
    if isinstance(file, PackageFile):
        return {"pypi": "PyPI package", "npm": "npm package"}[file.registry]
    if isinstance(file, LocalFile) and file.bundled:
        return "bundled"
    return "address" if isinstance(file, WebFile) else "own file"
