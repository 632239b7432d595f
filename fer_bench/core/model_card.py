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

    The archive is a wheel, an sdist or an npm tarball.
    """

    #: Where the package is.
    registry: Literal["pypi", "npm"]
    #: As the registry calls it.
    package: str
    #: Exactly this one.
    version: str
    #: The path inside the archive, with '/' separators; an sdist's or npm tarball's top folder ('package/',
    #: 'name-1.0/') is not part of it.
    member: str
    #: Of the file, in hex.
    sha256: str
    #: In bytes.
    size: int
    #: A public address of the same bytes, used where the registry's own client is not on the machine.
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
    """A file on this machine, known by its content."""

    #: Where it lies now; it is no part of the identity.
    path: Path
    #: In hex.
    sha256: str
    #: In bytes.
    size: int
    #: It is a program, which does not pin any weights.
    code: bool = False
    #: Weights that are part of this package.
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
    """A clean accuracy that somebody stated or measured."""

    #: A fraction.
    value: float
    #: The data set.
    data: str
    #: Its part.
    split: str
    #: Images; None where nobody says how many.
    n: int | None
    #: Who says so, and where.
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

    Facts nobody knows are "unknown", never left out (0 for a number).
    """

    #: As `--models` has it.
    name: str
    #: One line for people.
    title: str
    #: What it answers: classes, or valence and arousal.
    task: Task
    #: The outputs in order, in the words of `fer_bench.core.labels`; of task "va" ("valence", "arousal").
    classes: tuple[str, ...]
    #: Size, colour and normalisation that the network itself sees, in one line.
    input: str
    #: How many.
    parameters: int
    #: Where the model is described.
    paper: str
    #: Of the paper.
    year: int
    #: Of the weights.
    licence: str
    #: What `build` reads.
    files: tuple[CardFile, ...]
    #: Takes the local paths of `files`, in that order, and returns an `nn.Module` in eval mode that maps images
    #: `(batch, channels, height, width)` in [0, 1], one (gray) or three (RGB) channels, any height and width, to logits
    #: `(batch, len(classes))`, or for task "va" to `(batch, 2)` in [-1, 1]. Resizing, colour and normalisation are
    #: inside it and differentiable.
    build: Callable[[Sequence[Path]], torch.nn.Module] = field(repr=False, compare=False)
    #: What others say of it, and what was measured here.
    accuracy: tuple[PublishedAccuracy, ...] = ()
    #: The architecture.
    family: str = "unknown"
    #: Data sets.
    trained_on: str = "unknown"
    #: Raised by hand whenever a change of the code could change an output.
    revision: int = 1
    #: Trained to be robust, or with a defence in front of it.
    defended: bool = False
    #: Why it may have learned from the data that it is judged on; empty where nothing says so.
    contaminated: str = ""
    #: What a user must know of it. One that begins with `UNSEEN` says that nobody here could run these weights.
    notes: tuple[str, ...] = ()
    #: What the user wrote after `--models` for a model of their own.
    own: str = ""
    #: What else decides an output: the architecture and input of a user's model, then the defences in front of a
    #: model, the one nearest to the image first.
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
