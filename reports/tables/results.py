"""A results folder with what its tables and pages share: readings, boards, transfers, agreement. Each derived once.

It renders nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from reports.tables.agreement import Regression, regressions
from reports.tables.boards import Board, boards
from reports.tables.frames import Frames
from reports.tables.rates import Reading, readings
from reports.tables.stages import stage_frame
from reports.tables.transfer import Transfer, transfers


@dataclass(frozen=True, eq=False)
class Results:
    """The frames of a results folder, or of several merged, and what follows from them.

    Each property is derived when it is first asked for and kept. `frames` must not be changed afterwards.
    """

    frames: Frames

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """Every robust accuracy of a classifier, by `reports.tables.rates.readings`."""
        return tuple(readings(self.frames))

    @cached_property
    def boards(self) -> tuple[Board, ...]:
        """The ranked boards, one a data set and subset."""
        return tuple(boards(self.frames, self.readings))

    @cached_property
    def transfers(self) -> tuple[Transfer, ...]:
        """Every finished transfer cell, and the white-box cells beside them."""
        return tuple(transfers(self.frames))

    @cached_property
    def regressions(self) -> tuple[Regression, ...]:
        """The agreement of every finished cell of a regressor."""
        return tuple(regressions(self.frames))

    @cached_property
    def stages(self) -> pd.DataFrame:
        """What each stage of every finished suite attacked and broke, by `reports.tables.stages.stage_frame`."""
        return stage_frame(self.frames)
