"""Verdicts to numbers: frames, rates, boards, pairs. It writes no text and no file."""

from reports.tables.results import Results

__all__ = ["Results"]
