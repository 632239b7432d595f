"""Defended variants by composition: NAME+jpeg75 is the model NAME behind an input transformation.

Each transformation passes gradients on, or a straight-through stand-in of them (BPDA, Athalye, Carlini and Wagner, ICML
2018), and a random one is averaged over draws (EOT, Athalye et al., ICML 2018): a weak defence must look weak. It must
not know which model it defends. See docs/design/defences.md.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from fer_bench.core.model_card import ModelCard, Task
from fer_bench.engine import draws as chance
from fer_bench.engine.draws import bits
from fer_bench.errors import UsageError
from models_zoo.defences.jpeg import compress, straight_round
from models_zoo.logits import as_logits

#: Draws of a random defence that an attack's query is averaged over, and that a verdict is judged on.
QUERY_DRAWS = 8
VERDICT_DRAWS = 32
#: Largest enlargement of the random resizing: 331 / 299, as Xie et al. have it for their 299 pixels.
_ENLARGED = 331 / 299
_SPELLING = re.compile(r"([a-z]+)(\d*)")

#: Images and the number of the draw -> images; a transformation that does not draw ignores the number.
Transformation = Callable[[torch.Tensor, int], torch.Tensor]


@dataclass(frozen=True)
class Defence:
    """A kind of transformation: its setting's range, and its function of that setting."""

    #: States every parameter; it belongs to the model's identity.
    text: str
    #: Of a setting: images `(batch, 1 or 3, height, width)` in [0, 1] -> images in [0, 1] of any size.
    make: Callable[[int], Transformation]
    #: The least setting; None: it has none.
    low: int | None = None
    #: The largest setting; None: it has none.
    high: int | None = None
    #: It draws.
    random: bool = False
    #: Paper and year.
    source: str = ""


def _blur(_: int) -> Transformation:
    line = torch.tensor([0.25, 0.5, 0.25])

    def blur(images: torch.Tensor, _draw: int) -> torch.Tensor:
        channels = images.shape[1]
        kernel = (line[:, None] * line[None]).to(images).expand(channels, 1, 3, 3)
        return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)

    return blur


def _bits(depth: int) -> Transformation:
    levels = 2**depth - 1
    return lambda images, _draw: straight_round(images * levels) / levels


def _median(side: int) -> Transformation:
    def median(images: torch.Tensor, _draw: int) -> torch.Tensor:
        margin = side // 2
        padded = F.pad(images, (margin,) * 4, mode="replicate")
        windows = padded.unfold(2, side, 1).unfold(3, side, 1).flatten(4)
        return windows.median(dim=-1).values

    return median


def _jpeg(quality: int) -> Transformation:
    return lambda images, _draw: compress(images, quality)


def _resize(_: int) -> Transformation:
    def resize(images: torch.Tensor, draw: int) -> torch.Tensor:
        """Each image enlarged by a factor of its own and put somewhere on a black canvas of the largest size."""
        height, width = images.shape[-2:]
        canvas = (round(height * _ENLARGED), round(width * _ENLARGED))
        factor, across, down = uniform(images, draw, 3).unbind(1)
        share = (1 + factor * (_ENLARGED - 1)) / _ENLARGED  # of the canvas that the image covers
        theta = images.new_zeros(len(images), 2, 3)
        theta[:, 0, 0] = theta[:, 1, 1] = 1 / share
        theta[:, 0, 2] = (1 - 2 * across) * (1 - share) / share
        theta[:, 1, 2] = (1 - 2 * down) * (1 - share) / share
        grid = F.affine_grid(theta, [len(images), images.shape[1], *canvas], align_corners=False)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    return resize


DEFENCES = {
    "jpeg": Defence(
        "JPEG, 4:4:4, of quality {}", _jpeg, 1, 100, source="Das et al. 2017; attacked with straight-through rounding"
    ),
    "blur": Defence("binomial blur, 3x3 (1 2 1)", _blur, source="differentiable as it is"),
    "bits": Defence("{} bits a channel", _bits, 1, 8, source="Xu et al., NDSS 2018; straight-through rounding"),
    "median": Defence(
        "median of {0}x{0} pixels", _median, 2, 9, source="Xu et al., NDSS 2018; gradient of the median pixel"
    ),
    "randresize": Defence(
        f"random resizing by 1 to {_ENLARGED:.3f} and padding, {QUERY_DRAWS} and {VERDICT_DRAWS} draws",
        _resize,
        random=True,
        source="Xie et al., ICLR 2018; attacked with EOT",
    ),
}


def split_defences(text: str) -> tuple[str, tuple[str, ...]]:
    """'human+jpeg75+blur' -> ('human', ('jpeg75', 'blur')); a '+' in a path is left alone.

    Raises UsageError for a last word that is spelled as a defence and is none, or has a setting out of range.
    """
    name, plus, word = text.rpartition("+")
    spelled = _SPELLING.fullmatch(word)
    if not plus or not spelled:
        return text, ()
    _parse(word)
    stem, before = split_defences(name)
    return stem, (*before, word)


def _parse(word: str) -> tuple[Defence, int]:
    spelled = _SPELLING.fullmatch(word)
    kind, setting = (spelled[1], spelled[2]) if spelled else (word, "")
    forms = ", ".join(f"{name}{'' if known.low is None else known.high}" for name, known in DEFENCES.items())
    known = DEFENCES.get(kind)
    if known is None:
        raise UsageError(f"unknown defence '+{word}'; known are, with their largest settings: {forms}.")
    if known.low is None or known.high is None:
        if setting:
            raise UsageError(f"the defence '+{word}' takes no number; write +{kind}.")
        return known, 0
    if not setting or not known.low <= int(setting) <= known.high or (kind == "median" and int(setting) % 2 == 0):
        odd = ", odd" if kind == "median" else ""
        raise UsageError(
            f"the defence '+{word}' needs a number from {known.low} to {known.high}{odd}: +{kind}{known.high}."
        )
    return known, int(setting)


def defended(card: ModelCard, words: Sequence[str]) -> ModelCard:
    """The card of `card`'s model behind the defences `words`, the first one nearest to the image."""
    if not words:
        return card
    chosen = [_parse(word) for word in words]
    texts = tuple(known.text.format(setting) for known, setting in chosen)
    randomised = any(known.random for known, _ in chosen)
    notes = [f"Behind {text} ({known.source})." for text, (known, _) in zip(texts, chosen, strict=True)]
    if randomised:
        notes.append(
            f"Random by design: an attack asks for the mean over {QUERY_DRAWS} draws, a verdict is the mean over "
            f"{VERDICT_DRAWS} others."
        )

    def build(paths: Sequence[Path]) -> nn.Module:
        return Defended(card.build(paths), [known.make(setting) for known, setting in chosen], randomised, card.task)

    return dataclasses.replace(
        card,
        name="+".join([card.name, *words]),
        title=f"{card.title}, behind {', '.join(texts)}",
        build=build,
        accuracy=(),
        defended=True,
        setup=(*card.setup, *texts),
        notes=(*card.notes, *notes),
        own=f"{card.own}+{'+'.join(words)}" if card.own else "",
    )


class Defended(nn.Module):
    """A model behind transformations. A random one is answered for by the mean of its probabilities over draws.

    Its logits are then the logarithm of that mean: the gradient is EOT's, and the prediction is what the draws agree
    on. Draws depend on the image and on who asks (`chance`), never on the batch. A regressor's answers are averaged.
    """

    def __init__(
        self, model: nn.Module, transformations: Sequence[Transformation], randomised: bool, task: Task
    ) -> None:
        super().__init__()
        self.model = model.eval()
        self.transformations = tuple(transformations)
        self.randomised = randomised
        self.task = task
        if randomised and task == "expression":
            probe = torch.linspace(0, 1, 2 * 3 * 48 * 48).view(2, 3, 48, 48)
            with torch.no_grad():
                self.model = as_logits(model, probe, model(probe))[0]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, classes)`."""
        if not self.randomised:
            return self._once(images, 0)
        draws = range(VERDICT_DRAWS if chance.judging() else QUERY_DRAWS)
        answers = torch.stack([self._once(images, draw) for draw in draws])
        if self.task == "va":
            return answers.mean(0)
        return answers.log_softmax(2).logsumexp(0)

    def _once(self, images: torch.Tensor, draw: int) -> torch.Tensor:
        for transform in self.transformations:
            images = transform(images, draw)
        answer: torch.Tensor = self.model(images)
        return answer


def uniform(images: torch.Tensor, draw: int, count: int) -> torch.Tensor:
    """`count` numbers in [0, 1) for each image, `(batch, count)`, from its pixels, the draw's number and who asks."""
    words = images.detach().to(torch.float32).contiguous().view(torch.int32).flatten(1).to(torch.int64)
    zero = torch.zeros(1, dtype=torch.int64, device=images.device)
    keys = (words * bits(0, 0, 0, zero, words.shape[1])).sum(1)  # wraps; exact in any order
    drawn = bits(1, int(chance.judging()), draw, keys, count)
    return ((drawn >> 40) & (2**24 - 1)).to(images.dtype) * 2.0**-24
