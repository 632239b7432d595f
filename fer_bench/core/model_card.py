"""ModelCard: what is known of a model and how to build it; where its files come from, what is stated of it. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import nn

from fer_bench.core.digest import digest

#: How the note begins of a card whose weights could not be had while it was written.
UNSEEN = "Weights not seen here:"


@dataclass(frozen=True)
class PackageFile:
    """One file inside a package of a public registry, pinned by its content.

    `member` is the path inside the archive (wheel, sdist or npm tarball), with '/' separators; an sdist's or npm
    tarball's top folder ('package/', 'name-1.0/') is not part of it. `url` is a public address of the same bytes,
    used where the registry's own client is not on the machine.
    """

    registry: Literal["pypi", "npm"]
    package: str
    version: str
    member: str
    sha256: str
    size: int
    url: str | None = None

    @property
    def identity(self) -> list[str]:
        """What a model's digest says of it."""
        return [self.member, self.sha256]

    @property
    def pinned(self) -> bool:
        """True: whoever wrote the card knew the content."""
        return True


@dataclass(frozen=True)
class WebFile:
    """One file at a pinned public address, verified by its git blob id.

    `blob` is sha1(b"blob SIZE\\0" + content) in hex, which git hosts show for every file; `size` in bytes where known.
    """

    url: str
    blob: str
    size: int | None = None

    @property
    def member(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]

    @property
    def identity(self) -> list[str]:
        """What a model's digest says of it."""
        return [self.member, self.blob]

    @property
    def pinned(self) -> bool:
        """True: whoever wrote the card knew the content."""
        return True


@dataclass(frozen=True)
class UserFile:
    """A file that only the user can bring: `what` it is, and the public `page` where its authors offer it."""

    what: str
    page: str

    @property
    def pinned(self) -> bool:
        """False: nobody knows which file will be brought."""
        return False


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine, known by its content; `code` is True for a program, which does not pin any weights.

    `bundled` is True for weights that are part of this package.
    """

    path: Path
    sha256: str
    size: int
    code: bool = False
    bundled: bool = False

    @property
    def member(self) -> str:
        """The file's own name."""
        return self.path.name

    @property
    def identity(self) -> list[str]:
        """What a model's digest says of it: the content alone, wherever it lies."""
        return [self.sha256]

    @property
    def pinned(self) -> bool:
        """True where the file came with the card, as part of this package."""
        return self.bundled


CardFile = PackageFile | WebFile | UserFile | LocalFile


@dataclass(frozen=True)
class PublishedAccuracy:
    """A clean accuracy (fraction) that somebody stated or measured, on `n` images; None where nobody says how many."""

    value: float
    data: str
    split: str
    n: int | None
    source: str


@dataclass(frozen=True)
class Finding:
    """Something that a reader must know of a model, found by looking at it: a short code, and the reason."""

    code: str
    reason: str


@dataclass(frozen=True)
class Loaded:
    """A model ready to be asked, and what had to be said while it was loaded."""

    model: nn.Module
    findings: tuple[Finding, ...] = ()


Task = Literal["expression", "va"]
#: The outputs of a model of task "va", in order.
VALENCE_AROUSAL = ("valence", "arousal")


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model and how to build it.

    `build` takes the local paths of `files`, in that order, and returns an `nn.Module` in eval mode that maps
    images `(batch, channels, height, width)` in [0, 1], one (gray) or three (RGB) channels, any height and width,
    to logits `(batch, len(classes))`. Resizing, colour and normalisation are inside it and differentiable.
    `classes` are the model's outputs in order, in the words of `fer_bench.core.labels`. A model of task "va" has the
    classes ("valence", "arousal") and answers `(batch, 2)` in [-1, 1]. `revision` is raised by hand
    whenever a change of the code could change an output. Facts nobody knows are "unknown", never left out (0 for a
    number). A note that begins with `UNSEEN` says that nobody here could run these weights. `own` is what the user
    wrote after `--models` for a model of their own. `setup` is what else decides an output: the
    architecture and input of a user's model, then the defences in front of a model, the one nearest to the image first.
    """

    name: str
    title: str
    task: Task
    classes: tuple[str, ...]
    input: str
    parameters: int
    paper: str
    year: int
    licence: str
    files: tuple[CardFile, ...]
    build: Callable[[Sequence[Path]], torch.nn.Module] = field(repr=False, compare=False)
    accuracy: tuple[PublishedAccuracy, ...] = ()
    family: str = "unknown"
    trained_on: str = "unknown"
    revision: int = 1
    defended: bool = False
    contaminated: str = ""
    notes: tuple[str, ...] = ()
    own: str = ""
    setup: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """sha256 over weights, the code's revision and the setup: what can change an output.

        A brought file counts by its content alone, wherever it lies and whatever it is called.
        """
        weights = [file.identity for file in self.files if not isinstance(file, UserFile)]
        known = {"name": self.name, "weights": weights, "classes": self.classes, "revision": self.revision}
        return digest(known | ({"setup": self.setup} if self.setup else {}))

    @property
    def verified(self) -> bool:
        """True where this project has seen the weights and what the model does with them."""
        seen = not any(note.startswith(UNSEEN) for note in self.notes)
        return seen and all(file.pinned for file in self.files) and not self.own
