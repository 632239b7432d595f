"""The command `ferbench train`: parse, call the verb, print."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fer_bench.core.threat import parse_number


def _size(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """A size as people write it: 4/255, 0.0157."""
    try:
        return parse_number(value)
    except (ValueError, ZeroDivisionError):
        raise click.BadParameter(f"'{value}' is no number; write it as 4/255 or 0.0157.") from None


@click.command()
@click.option(
    "--method",
    default="faat",
    show_default=True,
    help="standard, pgd-at, fgsm-rs, trades, mart, pyramid-at or faat.",
)
@click.option("--arch", default="slim", show_default=True, help="slim (48x48 gray, fast on a CPU) or timm:NAME.")
@click.option("--data", required=True, metavar="NAME:PATH[:SPLIT]", help="Training images; split train if not named.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of state, log, card and weights.")
@click.option("--name", default="", help="What the model is called.  [default: architecture and method]")
@click.option("--epochs", type=int, default=30, show_default=True, help="Passes over the images.")
@click.option("--batch-size", type=int, default=128, show_default=True, help="Images in a step.")
@click.option("--eps", callback=_size, default="4/255", show_default=True, help="Linf budget, pixels in [0, 1].")
@click.option("--alpha", callback=_size, default="0", help="Step of the inner attack.  [default: a quarter of eps]")
@click.option("--steps", type=int, default=7, show_default=True, help="Steps of the inner attack.")
@click.option("--lr", type=float, default=0.1, show_default=True, help="Largest learning rate (SGD).")
@click.option("--weight-decay", type=float, default=5e-4, show_default=True, help="Of weights, not of biases.")
@click.option("--schedule", default="cosine", show_default=True, help="cosine or one-cycle.")
@click.option("--beta", type=float, default=6.0, show_default=True, help="Weight of TRADES' and MART's divergence.")
@click.option("--awp", type=float, default=0.0, show_default=True, help="Adversarial weight perturbation; 0: none.")
@click.option("--ema", type=float, default=0.995, show_default=True, help="Decay of the averaged weights; 0: none.")
@click.option("--mask", default="landmark", show_default=True, help="FAAT: landmark, cam, random-area or none.")
@click.option("--mask-on", default="delta", show_default=True, help="FAAT: mask the final delta, or each step.")
@click.option("--floor", type=float, default=0.3, show_default=True, help="FAAT: smallest value of the mask.")
@click.option(
    "--freq",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="FAAT: frequency loss between clean and adversarial features.",
)
@click.option("--freq-weight", type=float, default=30.0, show_default=True, help="FAAT: weight of the frequency loss.")
@click.option(
    "--freq-scale",
    default="absolute",
    show_default=True,
    help="FAAT: frequency loss as it is (absolute), or relative to the features' variance.",
)
@click.option("--outer", default="task", show_default=True, help="FAAT: task (losses of both images) or trades (beta).")
@click.option("--clean-weight", type=float, default=0.5, show_default=True, help="FAAT: weight of the clean loss.")
@click.option("--stage", default="", help="Module of the frequency loss and the CAM.  [default: last of 1/8 side]")
@click.option("--va-loss", default="mse+pcc+ccc", show_default=True, help="Valence-arousal loss: that, or mse.")
@click.option("--shift", type=int, default=4, show_default=True, help="Augmentation: largest shift in pixels.")
@click.option("--precision", default="auto", show_default=True, help="auto (the faster here), float32 or bfloat16.")
@click.option("--held-out", type=int, default=1000, show_default=True, help="Images kept to choose the epoch.")
@click.option("--judge-steps", type=int, default=10, show_default=True, help="PGD steps of that choice.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of weights, order and draws.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def train(arch: str, data: str, out: Path, name: str, device: str, freq: str, **options: Any) -> None:
    """Train a network, adversarially or not; write weights, card and log into a folder.

    The same command goes on where a killed training stopped. The folder is a model: ferbench run --models FOLDER.
    """
    from fer_bench.api.training import train as verb
    from fer_bench.training.recipe import Recipe

    recipe = Recipe(freq=freq == "on", **options)
    card = verb(
        recipe,
        arch,
        data,
        out,
        device=device,
        name=name,
        command=_shareable(sys.argv[1:], data, out),
        tell=lambda text: click.echo(f"ferbench: {text}", err=True),
    )
    click.echo(f"Model: {card.parent}; ferbench run --models {card.parent}")


def _shareable(words: list[str], data: str, out: Path) -> str:
    """The command as a card says it, which may be shared: without the folders of this machine."""
    from fer_bench.data import parse_source

    source = parse_source(data)
    plain = {data: str(replace(source, path="FOLDER")) if source.path else data, str(out): out.name}

    def shown(word: str) -> str:
        option, equals, value = word.partition("=")
        return f"{option}={plain.get(value, value)}" if equals else plain.get(word, word)

    return shlex.join(["ferbench", *map(shown, words)])
