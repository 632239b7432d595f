"""Reads the feature maps of a network's stages while it runs. It changes nothing that the network computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from fer_bench.errors import UsageError

#: A stage's map is this fraction of the image's side at least, where the choice is ours.
_FRACTION = 8


@contextmanager
def taps(model: nn.Module, stages: Sequence[str]) -> Iterator[dict[str, torch.Tensor]]:
    """While open, the dictionary holds each stage's latest output `(n, channels, height, width)`, by its name.

    Raises UsageError for a name that is no module of the network.
    """
    modules = dict(model.named_modules())
    for stage in stages:
        if stage not in modules:
            known = ", ".join(name for name in modules if name and name.count(".") == 0)
            raise UsageError(f"--stage {stage} is no module of this network; it has {known} and what is inside them.")
    seen: dict[str, torch.Tensor] = {}

    def keep(stage: str) -> object:
        def hook(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
            seen[stage] = output

        return modules[stage].register_forward_hook(hook)

    handles = [keep(stage) for stage in stages]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()  # type: ignore[attr-defined]


def stages(model: nn.Module, image: torch.Tensor) -> dict[str, tuple[int, ...]]:
    """The top-level stages of a network: name -> shape `(channels, height, width)` of what each makes of `image`.

    `image`: `(1, channels, height, width)`. A stage is a module at most two names deep whose output is a feature map
    that is larger than one pixel.
    """
    candidates = [name for name, _ in model.named_modules() if name and name.count(".") <= 1]
    was_training = model.training
    with taps(model.eval(), candidates) as seen, torch.no_grad():
        model(image)
    model.train(was_training)
    maps = {name: value for name, value in seen.items() if isinstance(value, torch.Tensor) and value.ndim == 4}
    return {name: tuple(value.shape[1:]) for name, value in maps.items() if min(value.shape[2:]) > 1}


def default_stage(model: nn.Module, image: torch.Tensor) -> str:
    """The last stage whose map has at least an eighth of the image's side: 6x6 for 48x48 faces.

    Deep enough to mean something, and still large enough to have a spectrum. Raises UsageError where the network has
    no feature maps.
    """
    smallest = min(image.shape[2:]) // _FRACTION
    found = [name for name, shape in stages(model, image).items() if min(shape[1:]) >= max(2, smallest)]
    if not found:
        raise UsageError("this network has no feature maps of its own; name one with --stage, or use --freq off.")
    return found[-1]
