"""The parts of a model's card: where its files come from and how their content is known, what is stated of it.

No I/O happens here. `fer_bench.types` offers all of it again, beside the card itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
