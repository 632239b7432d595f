"""placeholder"""
from __future__ import annotations
from pathlib import Path
from reports import tables


def write_csv(frames: tables.Frames, path: Path) -> None:
    """csv."""
    tables.leaderboard(frames).to_csv(path, index=False)


def write_html(frames: tables.Frames, path: Path) -> None:
    """html."""


def as_text(frames: tables.Frames) -> str:
    """Text."""
    return tables.leaderboard(frames).to_string()
