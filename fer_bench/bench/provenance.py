"""Where and with what a run is made: versions, commit, device. It must not change anything it looks at."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import torch

from fer_bench._version import __version__
from fer_bench.core.outcome import Provenance

PACKAGES = ("torch", "torchattacks", "timm", "numpy", "pandas", "pillow", "h5py", "scipy")


def versions(names: tuple[str, ...] = PACKAGES) -> tuple[tuple[str, str], ...]:
    """The installed version of each distribution, "missing" where there is none."""
    found = []
    for name in names:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append((name, "missing"))
    return tuple(found)


def commit() -> tuple[str, bool]:
    """The commit of the checkout that fer_bench runs from and whether it has changes; "unknown" outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return "unknown", False
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head or "unknown", bool(_git(root, "status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return "unknown", False


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def device_name(device: torch.device) -> str:
    """The device in words: 'cuda: NVIDIA H200' or 'cpu: x86_64'."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {platform.processor() or platform.machine()}"


def collect(command: str, device: torch.device) -> Provenance:
    """The provenance of a run that starts now."""
    head, dirty = commit()
    return Provenance(
        command=command,
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        fer_bench=__version__,
        commit=head,
        dirty=dirty,
        python=platform.python_version(),
        platform=platform.platform(),
        device=device_name(device),
        threads=torch.get_num_threads(),
        packages=versions(),
    )
