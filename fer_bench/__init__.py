"""fer_bench: how robust is a facial expression recognition model, really?

The public verbs (`run`, `load`, `report`, `replay`; `export`, `baseline`, `check`, `compare`) are resolved on first
use (PEP 562), so that importing the package costs nothing: no torch, no network, no disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["__version__", "baseline", "check", "compare", "export", "load", "replay", "report", "run"]

_READOUT = frozenset({"baseline", "check", "compare", "export", "report"})
_VERBS = frozenset(__all__) - {"__version__"}

if TYPE_CHECKING:
    from fer_bench.api import load, replay, run
    from fer_bench.readout import baseline, check, compare, export, report


def __getattr__(name: str) -> Any:
    if name in _READOUT:
        from fer_bench import readout

        return getattr(readout, name)
    if name in _VERBS:
        from fer_bench import api

        return getattr(api, name)
    raise AttributeError(f"module 'fer_bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_VERBS])
