"""The commands `ferbench attacks ...`: list and show what can be run."""

from __future__ import annotations

import click


@click.group()
def attacks() -> None:
    """The attacks: list, show."""


@attacks.command("list")
def attacks_list() -> None:
    """List every attack and suite, with cost and defaults."""
    from attacks import ATTACKS, SUITES
    from reports.write import listing

    click.echo(listing.attacks(ATTACKS))
    click.echo()
    click.echo(listing.suites(SUITES))


@attacks.command("show")
@click.argument("name")
def attacks_show(name: str) -> None:
    """Show everything that the card of an attack or suite says: parameters, ranges, corrections."""
    from attacks import ATTACKS, staged
    from reports.write import listing

    suite = staged.suite_of(name)
    click.echo(listing.suite(suite) if suite else listing.attack(ATTACKS.get(name)))
