"""Which draws a model that is random by design makes: those an attack may see, or those that it is judged on.

`evaluate` says it, such a model asks. A model draws from its own image and this stream, so that no batch changes a
draw, and no image is judged on the draws by which it was found (docs/design/defences.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
