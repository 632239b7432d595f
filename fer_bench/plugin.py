"""What a package that adds a model, an attack or a data set imports; the names here stay where they are.

A model is a `ModelCard` (entry-point group "ferbench.models"), an attack an `AttackCard` ("ferbench.attacks"), a data
set a `DatasetCard` ("ferbench.data"); `tests/example_plugin` in the repository is a whole package.
"""

from __future__ import annotations

from attacks.card import AttackCard
from attacks.staged import SuiteCard
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.core.model_card import (
    UNSEEN,
    LocalFile,
    ModelCard,
    PackageFile,
    PublishedAccuracy,
    UserFile,
    WebFile,
)
from fer_bench.core.threat import ThreatModel
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.engine.observer import Observer

__all__ = [
    "UNSEEN",
    "AttackCard",
    "AttackSpec",
    "Contents",
    "DatasetCard",
    "LocalFile",
    "ModelCard",
    "Observer",
    "PackageFile",
    "Parameter",
    "PublishedAccuracy",
    "Sample",
    "SuiteCard",
    "ThreatModel",
    "UserFile",
    "WebFile",
]
