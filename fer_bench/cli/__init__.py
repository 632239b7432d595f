"""The command line: parse, call api, print. No decision is made here that Python users could not make too."""

from __future__ import annotations

from fer_bench.cli.main import main

__all__ = ["main"]
