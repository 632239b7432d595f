"""The command `ferbench`: its group, which shows every mistake as one line, and the list of its commands."""

from __future__ import annotations

from typing import Any

import click

from fer_bench._version import __version__
from fer_bench.cli import attacks, data, doctor, gate, models, results, run, train
from fer_bench.errors import FerBenchError


class _Group(click.Group):
    """Shows a FerBenchError as one line and exits 2; Ctrl-C says what is kept and exits 130."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FerBenchError as error:
            click.echo(f"ferbench: {' '.join(str(error).split())}", err=True)
            ctx.exit(2)
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "ferbench"
            click.echo(f"ferbench: {' '.join(error.format_message().split())} See `{where} --help`.", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo(
                "ferbench: interrupted; every finished shard is stored, the same command goes on from there.",
                err=True,
            )
            ctx.exit(130)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="ferbench")
def main() -> None:
    """How robust is a facial expression recognition model, really?"""


for _command in (
    run.run,
    results.report,
    results.replay,
    models.models,
    attacks.attacks,
    data.data,
    doctor.doctor,
    results.export,
    gate.baseline,
    gate.check,
    gate.compare,
    train.train,
):
    main.add_command(_command)
