"""The command `ferbench doctor`: call api, print."""

from __future__ import annotations

from pathlib import Path

import click

from fer_bench.cli.options import OUT


@click.command()
@OUT
def doctor(out: Path) -> None:
    """Look at this machine and say what would stop a run. Exit code 1 where something would."""
    from fer_bench.api.doctor import examine
    from reports.write import listing

    checks = examine(out)
    words = {True: "ok", False: "PROBLEM", None: "-"}
    click.echo(listing.grid(("check", "", "found"), [(c.name, words[c.fine], c.text) for c in checks]))
    if any(check.fine is False for check in checks):
        raise SystemExit(1)
