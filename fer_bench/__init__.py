"""fer_bench: how robust is a facial expression recognition model, really?

The public verbs (`run`, `load`, `report`, `replay`; `export`, `baseline`, `check`, `compare`) are resolved on first
use (PEP 562), so that importing the package costs nothing: no torch, no network, no disk.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fer_bench._version import __version__

__all__ = ["__version__", "baseline", "check", "compare", "export", "load", "replay", "report", "run"]

#: Each verb and the module of fer_bench.api that has it.
_VERBS = {
    "run": "benchmark",
    "load": "results",
    "report": "results",
    "export": "results",
    "replay": "replays",
    "baseline": "gating",
    "check": "gating",
    "compare": "gating",
}

if TYPE_CHECKING:
    from fer_bench.api.benchmark import run
    from fer_bench.api.gating import baseline, check, compare
    from fer_bench.api.replays import replay
    from fer_bench.api.results import export, load, report


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(importlib.import_module(f"fer_bench.api.{_VERBS[name]}"), name)
    raise AttributeError(f"module 'fer_bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_VERBS])
