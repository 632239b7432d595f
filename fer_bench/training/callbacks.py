"""Callbacks that people look at: a bar with the latest scores, a CSV log. They change nothing that is learned."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType

from fer_bench import files, progress
from fer_bench.training.loop import Callback
from fer_bench.training.state import EpochLog, State, unwritable

LOG = "log.csv"


class Bar(Callback):
    """A progress bar over steps, with loss and held-out scores; a context manager."""

    def __init__(self, title: str) -> None:
        self._title, self._stack = title, ExitStack()
        self._advance: progress.Advance | None = None

    def begin(self, now: State, total: int) -> None:
        """Opens the bar at the step that training goes on from."""
        self._advance = self._stack.enter_context(progress.steps(self._title, total))
        self._advance(now.step)

    def step(self, now: State, loss: float) -> None:
        """One step further, with its loss and the latest scores."""
        scores = f" clean {now.log[-1].clean:.3f} robust {now.log[-1].robust:.3f}" if now.log else ""
        if self._advance:
            self._advance(1, f"{self._title} loss {loss:.3f}{scores}")

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()


class CsvLog(Callback):
    """Writes `log.csv` anew after each epoch and at the start, so that it and the state never disagree."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG

    def begin(self, now: State, total: int) -> None:
        """What the state holds, which a kill may have kept from being written."""
        self.epoch(now)

    def epoch(self, now: State) -> None:
        """The whole log up to here, one row an epoch."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(field.name for field in fields(EpochLog))
        writer.writerows(astuple(line) for line in now.log)
        files.write(text.getvalue(), self._path, unwritable)


class Says(Callback):
    """Tells each warning once, as it comes."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._told = tell, 0

    def begin(self, now: State, total: int) -> None:
        """What was warned of before an interruption has been told."""
        self._told = len(now.warnings)

    def epoch(self, now: State) -> None:
        """The new warnings."""
        for warning in now.warnings[self._told :]:
            self._tell(warning)
        self._told = len(now.warnings)
