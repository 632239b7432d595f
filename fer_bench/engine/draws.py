"""Randomness that belongs to the sample: every draw of an attack is a function of (seed, stream, sample, draw index).

Plain torchattacks draws from the global generator, so that the batch a sample happens to be in changes its verdict.
`KeyedDraws` answers torch's random functions itself while an attack runs: a draw of four dimensions is one image per
row and is keyed by the row's sample (an attack may say that draws of fewer are too); any other draw (Square's window, a
shared transform) is common to all rows and keyed by its index alone. Neither depends on batch size, order, sharding or
device. It must know no attack.

The bits are the splitmix64 finaliser (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA
2014) of a 64-bit counter, computed with torch's wrapping int64 arithmetic, so that CPU and GPU agree bit for bit.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from fer_bench.errors import AttackError

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def key_of(text: str) -> int:
    """A 63-bit key for a sample id or a stream name."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _shift(z: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical (not arithmetic) right shift of int64."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _mix(z: torch.Tensor) -> torch.Tensor:
    z = (z ^ _shift(z, 30)) * _MIX_1
    z = (z ^ _shift(z, 27)) * _MIX_2
    return z ^ _shift(z, 31)


def _signed(value: int) -> int:
    """`value` modulo 2**64 as a signed integer, which is what int64 tensors take."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value


def bits(seed: int, stream: int, index: int, keys: torch.Tensor, count: int) -> torch.Tensor:
    """Words of 64 random bits for each key: int64, `(len(keys), count)`.

    `seed`: the attack's.
    `stream`: the key of the stream's name.
    `index`: number of the draw within the stream, from 0.
    `keys`: int64, one a sample.
    `count`: how many words each gets.
    """
    base = _mix(keys + _signed(seed * 3 + stream))
    base = _mix(base + _signed((index + 1) * _GOLDEN))
    counter = torch.arange(1, count + 1, device=keys.device, dtype=torch.int64) * _GOLDEN
    return _mix(base[:, None] + counter[None, :])


def _uniform(words: torch.Tensor) -> torch.Tensor:
    """float64 in [0, 1), of 24 bits: exact in float32 too, so that both precisions see the same draw."""
    return _shift(words, 40).to(torch.float64) * 2.0**-24


def _normal(words: torch.Tensor) -> torch.Tensor:
    """Standard normal float64 by Box and Muller (1958), from 53 bits each."""
    radius = (_shift(words, 11) + 1).to(torch.float64) * 2.0**-53
    angle = _shift(_mix(words + _GOLDEN), 11).to(torch.float64) * 2.0**-53
    return torch.sqrt(-2.0 * torch.log(radius)) * torch.cos(2.0 * math.pi * angle)


def _shape(args: Sequence[Any]) -> tuple[int, ...]:
    """The size that a factory such as torch.rand was given: rand(2, 3), rand((2, 3)) or rand(torch.Size)."""
    if len(args) == 1 and isinstance(args[0], Sequence):
        return tuple(int(side) for side in args[0])
    return tuple(int(side) for side in args)


class KeyedDraws(TorchFunctionMode):
    """While active, answers torch's random functions from keys; see the module's text for the rule.

    `keys` are the int64 keys of the samples in the rows of the attack's current batch, in order; the Observer keeps
    them up to date. `paused` is set while the model itself runs, whose own randomness is not the attack's.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.keys = torch.zeros(0, dtype=torch.int64)
        self.paused = False
        self._stream = 0
        self._index = 0
        self._row_dimensions: tuple[int, ...] = (4,)

    def begin(self, stream: str, keys: torch.Tensor, row_dimensions: tuple[int, ...] = (4,)) -> None:
        """Starts the named stream at draw 0 for the rows of `keys`: one restart, one target class, one stage.

        `row_dimensions`: a draw of so many dimensions has one entry per row; any other is shared by all rows.
        """
        self._stream = key_of(stream)
        self._index = 0
        self._row_dimensions = row_dimensions
        self.keys = keys

    def seed_of_one(self) -> int:
        """A seed for the generators that cannot be keyed (numpy's), where the stream runs for one sample alone."""
        return int(bits(self.seed, self._stream, -1, self.keys[:1], 1)) & ((1 << 63) - 1)

    def _words(self, shape: tuple[int, ...], device: torch.device | str | None) -> torch.Tensor:
        index, self._index = self._index, self._index + 1
        where = torch.device("cpu") if device is None else torch.device(device)
        count = math.prod(shape)
        if len(shape) in self._row_dimensions:
            if shape[0] != len(self.keys):
                raise AttackError(
                    f"an attack drew noise for {shape[0]} rows while {len(self.keys)} samples were being attacked; "
                    "its card must declare how its rows relate to samples."
                )
            keys = self.keys.to(where)
            count = math.prod(shape[1:])
        else:
            keys = torch.zeros(1, dtype=torch.int64, device=where)
        return bits(self.seed, self._stream, index, keys, count).reshape(shape)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.paused:
            return func(*args, **kwargs)
        if func in _REFUSED:
            name = getattr(func, "__name__", str(func))
            raise AttackError(f"the attack draws with torch's '{name}', which has no keyed form; it cannot be used.")
        handler = _HANDLERS.get(func)
        if handler is None or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        self.paused = True
        try:
            return handler(self, args, kwargs)
        finally:
            self.paused = False


def _factory(distribution: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
    def draw(mode: KeyedDraws, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
        size = kwargs.get("size")
        words = mode._words(_shape([size] if size is not None else args), kwargs.get("device"))
        drawn = distribution(words).to(kwargs.get("dtype") or torch.get_default_dtype())
        return drawn.requires_grad_(bool(kwargs.get("requires_grad", False)))

    return draw


def _like(distribution: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
    def draw(mode: KeyedDraws, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
        template: torch.Tensor = args[0]
        words = mode._words(tuple(template.shape), kwargs.get("device") or template.device)
        return distribution(words).to(kwargs.get("dtype") or template.dtype)

    return draw


def _integers(words: torch.Tensor, low: int, high: int) -> torch.Tensor:
    return low + torch.floor(_shift(words, 11).to(torch.float64) * 2.0**-53 * (high - low)).to(torch.int64)


def _randint(mode: KeyedDraws, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    numbers = [value for value in args if isinstance(value, int)]
    numbers += [kwargs[name] for name in ("low", "high") if name in kwargs]
    low, high = (0, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    sizes = [value for value in args if isinstance(value, Sequence)]
    size = kwargs["size"] if "size" in kwargs else sizes[0]
    words = mode._words(_shape([size]), kwargs.get("device"))
    return _integers(words, low, high).to(kwargs.get("dtype") or torch.int64)


def _randperm(mode: KeyedDraws, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    words = mode._words((int(args[0]),), kwargs.get("device"))
    return torch.argsort(words).to(kwargs.get("dtype") or torch.int64)


def _fill_uniform(mode: KeyedDraws, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    target: torch.Tensor = args[0]
    low = float(args[1] if len(args) > 1 else kwargs.get("from", 0.0))
    high = float(args[2] if len(args) > 2 else kwargs.get("to", 1.0))
    drawn = _uniform(mode._words(tuple(target.shape), target.device)) * (high - low) + low
    return target.copy_(drawn)


def _fill_normal(mode: KeyedDraws, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    target: torch.Tensor = args[0]
    mean = float(args[1] if len(args) > 1 else kwargs.get("mean", 0.0))
    std = float(args[2] if len(args) > 2 else kwargs.get("std", 1.0))
    return target.copy_(_normal(mode._words(tuple(target.shape), target.device)) * std + mean)


def _fill_bernoulli(mode: KeyedDraws, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    target: torch.Tensor = args[0]
    chance = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
    return target.copy_(_uniform(mode._words(tuple(target.shape), target.device)) < chance)


def _bernoulli(mode: KeyedDraws, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    chance: torch.Tensor = args[0]
    return (_uniform(mode._words(tuple(chance.shape), chance.device)) < chance).to(chance.dtype)


_HANDLERS: dict[Any, Callable[..., torch.Tensor]] = {
    torch.rand: _factory(_uniform),
    torch.randn: _factory(_normal),
    torch.rand_like: _like(_uniform),
    torch.randn_like: _like(_normal),
    torch.randint: _randint,
    torch.randperm: _randperm,
    torch.bernoulli: _bernoulli,
    torch.Tensor.bernoulli: _bernoulli,
    torch.Tensor.uniform_: _fill_uniform,
    torch.Tensor.normal_: _fill_normal,
    torch.Tensor.bernoulli_: _fill_bernoulli,
}

_REFUSED = frozenset(
    {
        torch.normal,
        torch.multinomial,
        torch.Tensor.multinomial,
        torch.randint_like,
        torch.poisson,
        torch.Tensor.random_,
        torch.Tensor.exponential_,
        torch.Tensor.cauchy_,
        torch.Tensor.geometric_,
        torch.Tensor.log_normal_,
    }
)


def seed_generators(seed: int) -> None:
    """Seeds Python's, numpy's and torch's global generators; only inside `isolated_generators`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def isolated_generators(seed: int) -> Iterator[None]:
    """Seeds Python's, numpy's and torch's global generators, and restores all of them afterwards, whatever happens.

    torchattacks re-seeds torch's generator inside some attacks; nobody outside must notice.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        seed_generators(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)


_judging: ContextVar[bool] = ContextVar("judging", default=False)


def judging() -> bool:
    """True while a verdict is made, False while an attack asks."""
    return _judging.get()


@contextmanager
def verdict() -> Iterator[None]:
    """Inside, a random model makes the draws that it is judged on."""
    token = _judging.set(True)
    try:
        yield
    finally:
        _judging.reset(token)
