"""What a package that adds a model, an attack or a data set imports; the names here stay where they are.

A model is a `ModelCard` (entry-point group "ferbench.models"), an attack an `AttackCard` ("ferbench.attacks"), a data
set a `DatasetCard` ("ferbench.data"); docs/contributing in the repository has a whole package of each kind. The errors
are for what a user can cause: the command line shows their text as one line.
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
from fer_bench.errors import DataError, ModelError, UsageError

__all__ = [
    "UNSEEN",
    "AttackCard",
    "AttackSpec",
    "Contents",
    "DataError",
    "DatasetCard",
    "LocalFile",
    "ModelCard",
    "ModelError",
    "Observer",
    "PackageFile",
    "Parameter",
    "PublishedAccuracy",
    "Sample",
    "SuiteCard",
    "ThreatModel",
    "UsageError",
    "UserFile",
    "WebFile",
]
