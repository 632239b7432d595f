"""One file from a pinned public address: resumed, retried, verified, moved into place atomically.

It trusts nothing that a server says: what arrives is bounded in size, recognised where it is a web page, and never
parsed. It must not know what the file is for.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from fer_bench import files, progress
from fer_bench.core.model_card import PackageFile, WebFile
from fer_bench.errors import FetchError, IntegrityError
from fer_bench.fetch.pinned import failed, intact, mismatch, pin, writing

#: Bytes taken at most where a card states no size: more than any FER model, less than a disk.
LARGEST = 2 << 30
#: Answers in a row that bring no byte before it gives up; the seconds before the second one, doubled each time.
PATIENCE = 5
BACK_OFF = 1.0
LONGEST_WAIT = 60.0
#: Seconds of silence after which a connection counts as dropped.
SILENCE = 60.0

_CHUNK = 1 << 18
_RANGE = re.compile(r"bytes (\d+)-")
#: Answers that another try may change (RFC 9110): timeout, too early, too many requests, and the server's own faults.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Dropped(Exception):  # noqa: N818  (it is caught here and retried)
    """A connection that broke off, or an answer that another try may change. `wait`: what the server asked for."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass(frozen=True)
class _Wanted:
    """What is asked for, where it goes, and what to do where its address has none."""

    file: PackageFile | WebFile
    url: str
    place: Path
    remedy: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.file.member).name

    def failed(self, why: str, remedy: str) -> FetchError:
        return failed(self.file, self.place, why, remedy)


def download(file: PackageFile | WebFile, place: Path, remedy: str = "check the address") -> None:
    """Brings `file` from its address to `place`, going on with what an earlier, broken download left beside it.

    `remedy`: what to do where the address has no such file. Raises FetchError (no network, an answer such as 404, a
    folder that cannot be written) or IntegrityError (a web page, too many bytes, another content). What is not the
    pinned file is not kept.
    """
    if file.url is None or not file.url.startswith(("https://", "http://")):
        raise failed(file, place, f"its address {file.url} is not a web address")
    wanted = _Wanted(file, file.url, place, remedy)
    with writing(place.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
    with _part(place, file) as part:
        pieced = not part.matches(file) and _complete(wanted, part)
        if pieced and not part.matches(file):  # the older piece may be the wrong one
            part.cut()
            _complete(wanted, part)
        if not part.matches(file):
            error = mismatch(part.path, file, file.url)
            part.discard()
            raise error
        part.settle(place, file)


@dataclass
class _Part:
    """The unfinished file, held open and locked by this process."""

    path: Path
    stream: IO[bytes]

    @property
    def size(self) -> int:
        return os.fstat(self.stream.fileno()).st_size

    def cut(self) -> None:
        """Starts from nothing."""
        self.stream.truncate(0)

    def matches(self, file: PackageFile | WebFile) -> bool:
        self.stream.flush()
        return intact(self.path, file)

    def discard(self) -> None:
        self.stream.close()
        self.path.unlink(missing_ok=True)

    def settle(self, place: Path, file: PackageFile | WebFile) -> None:
        """Whole and verified: onto the disk, and under its name in one step."""
        if os.name == "nt":  # Windows does not rename an open file
            self.stream.close()
        with writing(place.parent):
            try:
                files.settle(self.path, place)
            except PermissionError:
                # Windows refuses to replace a file that another process reads; the same bytes are then there.
                if not intact(place, file):
                    raise
                self.discard()


@contextlib.contextmanager
def _part(place: Path, file: PackageFile | WebFile) -> Iterator[_Part]:
    """The part file that downloads of `file` share, or a private one where another process is writing it.

    The system releases the lock of a process that was killed, so that no part is ever orphaned.
    """
    shared = place.parent / f".part-{pin(file)}"
    with writing(place.parent):
        stream = shared.open("ab")
        part = _Part(shared, stream)
        private = not _lock(stream) or not _same(stream, shared)
        if private:
            stream.close()
            path = files.part_beside(place)
            part = _Part(path, path.open("ab"))
    try:
        yield part
    finally:
        part.stream.close()
        if private or (part.path.exists() and part.path.stat().st_size == 0):
            part.path.unlink(missing_ok=True)


def _lock(stream: IO[bytes]) -> bool:
    """Locks an open file for this process; False where another has it, or the file system cannot lock."""
    with contextlib.suppress(ImportError, OSError):
        if os.name == "nt":
            locks = importlib.import_module("msvcrt")
            locks.locking(stream.fileno(), locks.LK_NBLCK, 1)
        else:
            locks = importlib.import_module("fcntl")
            locks.flock(stream.fileno(), locks.LOCK_EX | locks.LOCK_NB)
        return True
    return False


def _same(stream: IO[bytes], path: Path) -> bool:
    """False where another process finished between our opening and our locking: the file now has its real name."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False


def _complete(wanted: _Wanted, part: _Part) -> bool:
    """Asks until the server has nothing more to send, going on after each interruption; True where it had to."""
    fruitless, pieced = 0, part.size > 0
    with progress.download(wanted.name, wanted.file.size) as advance:
        advance(part.size)
        while True:
            before = part.size
            try:
                _ask(wanted, part, advance)
                return pieced
            except _Dropped as dropped:
                pieced = part.size > 0
                fruitless = 0 if part.size > before else fruitless + 1
                if fruitless >= PATIENCE:
                    raise wanted.failed(str(dropped), "check the connection or the proxy") from dropped
                wait = max(dropped.wait, BACK_OFF * 2 ** max(fruitless - 1, 0))
                advance(0, f"{wanted.name}: {dropped}; trying again")
                time.sleep(min(wait, LONGEST_WAIT))


def _ask(wanted: _Wanted, part: _Part, advance: progress.Advance) -> None:
    """One request: the rest of the file, appended to the part. Raises _Dropped where another one may go on."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "fer_bench"}
    have = part.size
    if have:
        headers["Range"] = f"bytes={have}-"
    opener = urllib.request.build_opener()  # urlopen would keep the proxies of its first call
    try:
        with opener.open(urllib.request.Request(wanted.url, headers=headers), timeout=SILENCE) as answer:
            start = _RANGE.match(answer.headers.get("Content-Range") or "")
            if have and not (answer.status == 206 and start and int(start[1]) == have):
                part.cut()  # the server sends it from the beginning
                advance(-have)
            stated = answer.headers.get("Content-Length") or ""
            _receive(wanted, part, answer, int(stated) if stated.isdecimal() else None, advance)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # nothing stands behind what is here: it is whole, or it is wrong
                return
            answered = f"{wanted.url} answered {error.code} {error.reason}"
            if error.code in _PASSING:
                asked = error.headers.get("Retry-After") or ""
                raise _Dropped(answered, float(asked) if asked.isdecimal() else 0.0) from error
        raise wanted.failed(answered, wanted.remedy) from error
    except urllib.error.URLError as error:
        raise _Dropped(f"no network ({error.reason})") from error
    except (http.client.HTTPException, OSError) as error:
        raise _Dropped(f"the connection broke off ({error or type(error).__name__})") from error


def _receive(
    wanted: _Wanted, part: _Part, answer: http.client.HTTPResponse, stated: int | None, advance: progress.Advance
) -> None:
    limit = wanted.file.size if wanted.file.size is not None else LARGEST
    received = 0
    while chunk := answer.read(_CHUNK):
        if part.size == 0 and _is_page(chunk):
            raise IntegrityError(
                f"{wanted.url}: a web page came instead of the file (a login, a warning or a proxy); it was not used. "
                "Open the address in a browser to see what it asks for."
            )
        received += len(chunk)
        if part.size + len(chunk) > limit:
            part.cut()
            raise IntegrityError(f"{wanted.url}: it is bigger than {limit} bytes; it was not used.")
        with writing(part.path.parent):
            part.stream.write(chunk)
            part.stream.flush()
        advance(len(chunk))
    if stated is not None and received < stated:
        raise _Dropped(f"the connection broke off after {received} of {stated} bytes")


def _is_page(head: bytes) -> bool:
    """True where a file that begins with `head` is a web page."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html", b"<head"))
