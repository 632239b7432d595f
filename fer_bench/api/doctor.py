"""Looks at the machine and says what would stop a run, and what to do. It changes nothing but a scratch file."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from fer_bench.bench import provenance
from fer_bench.fetch import cache


@dataclass(frozen=True)
class Check:
    """One thing looked at: `fine` None means that it is only told."""

    name: str
    fine: bool | None
    text: str


def examine(out: Path) -> tuple[Check, ...]:
    """Every check, in the order in which a run would meet them. `out` is the results folder."""
    missing = [name for name, version in provenance.versions() if version == "missing"]
    found = ", ".join(f"{name} {version}" for name, version in provenance.versions())
    head, dirty = provenance.commit()
    return (
        Check("python", sys.version_info >= (3, 10), f"{platform.python_version()} on {platform.platform()}"),
        Check("packages", not missing, found + (f"; missing: {', '.join(missing)}" if missing else "")),
        Check("commit", None, f"{head[:12]}{' with local changes' if dirty else ''}"),
        _device(),
        Check("threads", None, f"torch uses {torch.get_num_threads()} of {os.cpu_count()} processors"),
        _writable("cache", cache.cache_dir(), "set FERBENCH_CACHE to a folder that can be written"),
        _writable("results", out, "choose another folder with --out"),
        _clients(),
        Check("offline", None, "FERBENCH_OFFLINE is set: nothing is fetched" if cache.offline() else "not set"),
        Check("sqlite", None, sqlite3.sqlite_version),
    )


def _device() -> Check:
    if torch.cuda.is_available():
        return Check("device", True, provenance.device_name(torch.device("cuda")))
    return Check("device", None, "no CUDA device; runs use the CPU")


def _writable(name: str, folder: Path, advice: str) -> Check:
    """Whether files can be made in `folder`, or in the nearest folder above it that exists."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Check(name, False, f"{folder} cannot be written ({error.strerror}): {advice}")
    free = shutil.disk_usage(place).free / 2**30
    return Check(name, free > 0.5, f"{folder}, {free:.1f} GiB free" + ("" if free > 0.5 else f": {advice}"))


def _clients() -> Check:
    pip = importlib.util.find_spec("pip") is not None or shutil.which("pip") is not None
    npm = shutil.which("npm") is not None
    words = [f"pip {'found' if pip else 'missing: install it to fetch PyPI models'}"]
    words.append("npm found" if npm else "npm missing: npm packages come from their public address")
    return Check("clients", pip, "; ".join(words))
