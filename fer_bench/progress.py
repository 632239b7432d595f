"""Progress bars on every long step; silent where the output is not a terminal. It must not be asked for results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Advance(Protocol):
    """Called with the amount done since the last call, and optionally a new description."""

    def __call__(self, amount: float = 1, description: str | None = None) -> None: ...  # noqa: D102


def _console() -> Console:
    return Console(stderr=True)


@contextmanager
def _bar(progress: Progress, description: str, total: float | None) -> Iterator[Advance]:
    # Before version 15 rich ends a bar that it does not show with an empty line.
    with nullcontext() if progress.disable else progress:
        task = progress.add_task(description, total=total)

        def advance(amount: float = 1, description: str | None = None) -> None:
            progress.advance(task, amount)
            if description is not None:
                progress.update(task, description=description)

        yield advance


@contextmanager
def steps(description: str, total: int | None) -> Iterator[Advance]:
    """A bar over `total` counted steps, on standard error, with the time left; None where the total is not known."""
    console = _console()
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with _bar(progress, description, total) as advance:
        yield advance


@contextmanager
def download(description: str, total: int | None) -> Iterator[Advance]:
    """A bar over bytes, on standard error, with speed and time left; `total` None where the size is not known."""
    console = _console()
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with _bar(progress, description, total) as advance:
        yield advance
