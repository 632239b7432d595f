"""One writer: whole or not at all, whatever fails, and one line of error; and who writes by it."""

from __future__ import annotations

import ast
import hashlib
import os
import stat
from pathlib import Path

import pytest
from places import ROOT

from fer_bench.errors import StoreError, UsageError
from fer_bench.files import replacing, sha256, write


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    write("é\nü\r\n", path)
    assert path.read_bytes() == "é\nü\r\n".encode()
    write(b"\x00\r\n", path)
    assert path.read_bytes() == b"\x00\r\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_as_readable_as_any_other_that_its_user_writes(tmp_path: Path) -> None:
    write("x", tmp_path / "ours")
    (tmp_path / "plain").write_text("x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_what_was_there_survives_an_interruption(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "state.npz"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replacing(path) as part:
            assert part.suffix == ".npz"  # numpy and Pillow go by the ending
            part.write_bytes(b"half")
            raise failure

    with pytest.raises(failure):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"old")
    with replacing(path) as part:
        part.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bytes] = []
    path = tmp_path / "a.txt"

    def fsync(handle: int) -> None:
        assert not path.exists()
        flushed.append(os.pread(handle, 9, 0))

    monkeypatch.setattr(os, "fsync", fsync)
    write("whole", path)
    assert flushed == [b"whole"]
    with replacing(tmp_path / "again.txt", lasting=False):
        pass
    assert len(flushed) == 1


@pytest.mark.parametrize("when", ["folder", "content", "flush"])
def test_a_failed_write_is_one_line_of_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    path = tmp_path / "folder" / "a.txt"
    if when == "folder":
        path.parent.write_text("a file")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    if when == "flush":
        monkeypatch.setattr(os, "fsync", full)

    def failing() -> None:
        with replacing(path, lambda path, error: UsageError(f"{path.name}: {error.strerror}")):
            if when == "content":
                full()

    with pytest.raises(UsageError, match=r"^a\.txt: .+"):
        failing()
    assert not list(tmp_path.rglob("*.txt"))
    if when == "flush":
        with pytest.raises(StoreError, match=r"a\.txt cannot be written \(No space left on device\); check"):
            write("x", path)


def test_the_sha256_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one chunk
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_nobody_else_moves_files_into_place() -> None:
    """A second way to write would be a second set of mistakes. A plain `.replace(x)` of one argument is Path's."""
    moving = set()
    for package in ("fer_bench", "models_zoo", "attacks", "reports"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                called = ast.unparse(node.func)
                moves = called.endswith(".replace") and len(node.args) == 1 and not node.keywords
                if moves or called in ("os.replace", "os.rename", "tempfile.mkstemp", "tempfile.NamedTemporaryFile"):
                    moving.add(path.relative_to(ROOT).as_posix())
    assert moving == {"fer_bench/files.py"}
