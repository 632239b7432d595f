"""Verdicts to numbers: frames, rates, boards, pairs. It writes no text and no file."""
