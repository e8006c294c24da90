"""Files and folders: canonical bytes, whole or not at all, damaged ones refused by name."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lthctl import disk, replacing
from lthctl.disk import check_writable, write_errors, write_file, write_folder
from lthctl.errors import OutputError
from lthctl.reading import find_folders

DEAD = 2**31 - 1
"""Stands in a hidden name for a process that is gone: nobody holds its lock."""


Tree = dict[str, bytes]


def tree(folder: Path) -> Tree:
    """Every file and empty folder below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


def fail_on_flush(monkeypatch: pytest.MonkeyPatch, error: BaseException, *, after: int = 0) -> None:
    """Let the write of a file fail once its bytes are with the system, the first `after` ones
    excepted."""
    flush, count = os.fsync, iter(range(10**6))

    def fsync(descriptor: int) -> None:
        if next(count) >= after:
            raise error
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot exchange two names in one step."""
    monkeypatch.setattr(replacing, "exchange", lambda one, other: False)


def system_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


# ---- writing ----


FAILURES = [
    (
        errno.ENOSPC,
        "the disk is full; make room and run the same command again: what is finished is kept",
    ),
    (
        errno.EDQUOT,
        "the disk is full; make room and run the same command again: what is finished is kept",
    ),
    (errno.EACCES, "it cannot be written; change its permissions or choose another --out"),
    (errno.EROFS, "it cannot be written; change its permissions or choose another --out"),
    (errno.ENOTDIR, "something else is in the way; move it or choose another --out"),
    (errno.EIO, "Input/output error; see to that and run the same command again"),
]


@pytest.mark.parametrize(("number", "said"), FAILURES)
def test_write_errors(number: int, said: str) -> None:
    with pytest.raises(OutputError) as failure, write_errors(Path("masks/x")):
        raise system_error(number)
    assert str(failure.value) == f"masks/x: {said}"
    assert failure.value.exit_code == 3
    assert isinstance(failure.value.__cause__, OSError)


def test_write_errors_leave_other_errors_alone() -> None:
    with pytest.raises(ZeroDivisionError), write_errors(Path("x")):
        raise ZeroDivisionError


def test_write_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "f.csv"
    write_file(path, b"one")
    assert tree(tmp_path) == {"new/folder/f.csv": b"one"}
    write_file(path, b"two")
    assert tree(tmp_path) == {"new/folder/f.csv": b"two"}


@pytest.mark.parametrize(("number", "said"), FAILURES)
@pytest.mark.parametrize("before", [{}, {"f": b"old"}])
def test_write_file_fails_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str, before: Tree
) -> None:
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    fail_on_flush(monkeypatch, system_error(number))
    with pytest.raises(OutputError) as failure:
        write_file(tmp_path / "f", b"new")
    assert str(failure.value) == f"{tmp_path / 'f'}: {said}"
    assert tree(tmp_path) == before


def test_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_on_flush(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "f", b"new")
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "t", {"a": b"new"})
    assert tree(tmp_path) == {}


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(OutputError) as failure:
        write_file(tmp_path / "f", b"new")
    assert (
        str(failure.value)
        == f"{tmp_path / 'f'}: something else is in the way; move it or choose another --out"
    )
    assert tree(tmp_path) == {"f": b""}


def test_write_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "masks" / "l1-s1", {"a": b"1", "b.json": b"2"})
    assert tree(tmp_path) == {"masks/l1-s1/a": b"1", "masks/l1-s1/b.json": b"2"}


def test_files_of_a_folder_are_flushed_in_order_before_it_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, seen = tmp_path / "t", []
    write = disk._write_flushed

    def watched(path: Path, content: bytes) -> None:
        write(path, content)
        seen.append((path.name, folder.exists(), path.parent.name.startswith(".")))

    monkeypatch.setattr(disk, "_write_flushed", watched)
    write_folder(folder, {"z": b"1", "a.json": b"2"})
    assert seen == [("z", False, True), ("a.json", False, True)]


def test_existing_folder_is_not_touched(tmp_path: Path) -> None:
    write_folder(tmp_path / "t", {"a": b"old"})
    with pytest.raises(OutputError) as failure:
        write_folder(tmp_path / "t", {"a": b"new", "b": b"new"})
    assert (
        str(failure.value)
        == f"{tmp_path / 't'}: something else is in the way; move it or choose another --out"
    )
    assert tree(tmp_path) == {"t/a": b"old"}


def test_file_in_place_of_a_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"a person's")
    for folder in tmp_path / "t", tmp_path / "t" / "below":
        with pytest.raises(OutputError) as failure:
            write_folder(folder, {"a": b"new"})
        assert (
            str(failure.value)
            == f"{folder}: something else is in the way; move it or choose another --out"
        )
    assert tree(tmp_path) == {"t": b"a person's"}


def test_replace_leaves_nothing_of_the_old(tmp_path: Path) -> None:
    write_folder(tmp_path / "t", {"a": b"old", "gone": b"old"})
    write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert tree(tmp_path) == {"t/a": b"new"}


def test_replace_of_nothing(tmp_path: Path) -> None:
    write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert tree(tmp_path) == {"t/a": b"new"}


@pytest.mark.parametrize(("number", "said"), FAILURES)
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("before", [{}, {"t/a": b"old", "t/c": b"old"}])
def test_write_folder_fails_half_way(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    said: str,
    after: int,
    before: Tree,
) -> None:
    for name, content in before.items():
        write_file(tmp_path / name, content)
    fail_on_flush(monkeypatch, system_error(number), after=after)
    with pytest.raises(OutputError) as failure:
        write_folder(tmp_path / "t", {"a": b"new", "b": b"new"}, replace=True)
    assert str(failure.value) == f"{tmp_path / 't'}: {said}"
    assert tree(tmp_path) == before


def test_old_folder_is_put_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_exchange(monkeypatch)
    write_folder(tmp_path / "t", {"a": b"old"})
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise system_error(errno.EIO)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError):
        write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert tree(tmp_path) == {"t/a": b"old"}


@pytest.mark.parametrize("last", [1, 2])
@pytest.mark.parametrize("exchanges", [True, False])
def test_replace_while_another_process_takes_the_old_folder_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int, exchanges: bool
) -> None:
    if not exchanges:
        no_exchange(monkeypatch)
    folder = tmp_path / "t"
    write_folder(folder, {"a": b"old"})
    look, looks = os.stat, 0

    def look_and_take(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        nonlocal looks
        status = look(path, follow_symlinks=follow_symlinks)
        if path == folder:
            looks += 1
            if looks == last:
                folder.rename(tmp_path / "taken")
        return status

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", look_and_take)
        write_folder(folder, {"a": b"new"}, replace=True)
    assert looks > 0
    assert tree(folder) == {"a": b"new"}


def test_replace_does_not_put_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"a person's")
    with pytest.raises(OutputError, match="something else is in the way"):
        write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert tree(tmp_path) == {"t": b"a person's"}


def test_replace_of_a_symbolic_link_leaves_nothing_hidden(tmp_path: Path) -> None:
    write_folder(tmp_path / "elsewhere", {"a": b"old"})
    (tmp_path / "t").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="something else is in the way"):
        write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert (tmp_path / "t").is_symlink()
    assert tree(tmp_path / "elsewhere") == {"a": b"old"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_leftovers_of_dead_processes_are_removed(tmp_path: Path) -> None:
    write_folder(tmp_path / f".t.{DEAD}.new", {"a": b"half"})
    write_folder(tmp_path / f".t.{DEAD - 1}.old", {"a": b"older"})
    (tmp_path / f".f.{DEAD}.new").write_bytes(b"half")
    write_folder(tmp_path / "t", {"a": b"old"}, replace=True)
    write_file(tmp_path / "f", b"whole")
    assert tree(tmp_path) == {"t/a": b"old", "f": b"whole"}


def test_what_is_not_ours_or_in_use_stays(tmp_path: Path) -> None:
    others = {
        ".t.1234abcd.new/a": b"1",
        ".t.notes.txt": b"2",
        f".u.{DEAD}.new": b"3",
        f"t.{DEAD}.new": b"4",
    }
    for name, content in others.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    descriptor = os.open(tmp_path / ".t.1234abcd.new", os.O_RDONLY)
    try:
        fcntl.flock(
            descriptor, fcntl.LOCK_EX
        )  # belongs to the descriptor, so it is as good as another process's
        write_folder(tmp_path / "t", {"a": b"new"})
        assert tree(tmp_path) == others | {"t/a": b"new"}
    finally:
        os.close(descriptor)
    write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert not (tmp_path / ".t.1234abcd.new").exists()


def test_where_there_are_no_locks_leftovers_are_removed_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise system_error(errno.ENOLCK)

    monkeypatch.setattr(fcntl, "flock", flock)
    for name in ".t.1.new", ".t.2.new":
        (tmp_path / name).mkdir()
    yesterday = time.time() - 24 * 3600 - 1
    os.utime(tmp_path / ".t.1.new", (yesterday, yesterday))
    write_folder(tmp_path / "t", {"a": b"new"})
    assert tree(tmp_path) == {".t.2.new": b"", "t/a": b"new"}


def test_what_another_process_puts_into_the_place_meanwhile_is_replaced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_exchange(monkeypatch)
    write_folder(tmp_path / "t", {"a": b"old"})
    rename, others = Path.rename, iter([b"first", b"second"])

    def meddled(self: Path, target: Path) -> Path:
        if self.name.endswith(".new") and (other := next(others, None)):
            (tmp_path / "t").mkdir()
            (tmp_path / "t" / "b").write_bytes(other)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", meddled)
    write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert tree(tmp_path) == {"t/a": b"new"}


REPLACING = """
import sys
from pathlib import Path
from lthctl.disk import write_folder
for number in range(int(sys.argv[2])):
    write_folder(Path("t"), {"a": sys.argv[1].encode() * 1000, "b": sys.argv[1].encode()}, replace=True)
"""


def test_processes_that_replace_one_folder_do_not_mix(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(disk.__file__).parent.parent)}
    commands = [[sys.executable, "-c", REPLACING, letter, "60"] for letter in "xyz"]
    processes = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [
        ("", 0)
    ] * 3
    found = tree(tmp_path)
    assert found.keys() == {"t/a", "t/b"} and found["t/a"] == found["t/b"] * 1000


def test_old_folder_of_a_finished_replacement_is_not_put_back(tmp_path: Path) -> None:
    write_folder(tmp_path / "t", {"a": b"new"})
    (tmp_path / f".t.{DEAD}.old").mkdir()
    (tmp_path / f".t.{DEAD}.old" / "a").write_bytes(b"old")
    with pytest.raises(OutputError):
        write_folder(tmp_path / "t", {"a": b"newer"})
    assert tree(tmp_path) == {"t/a": b"new"}


def test_names_are_not_patterns(tmp_path: Path) -> None:
    (tmp_path / f".tab.{DEAD}.new").write_bytes(b"of tab")
    write_file(tmp_path / "t[a]b", b"1")
    write_file(tmp_path / "t*", b"2")
    assert tree(tmp_path) == {f".tab.{DEAD}.new": b"of tab", "t[a]b": b"1", "t*": b"2"}


def test_leftovers_of_a_longer_name_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / f".t.b.{DEAD}.old").mkdir()
    (tmp_path / f".t.b.{DEAD}.old" / "a").write_bytes(b"of t.b")
    write_folder(tmp_path / "t", {"a": b"of t"}, replace=True)
    assert tree(tmp_path) == {f".t.b.{DEAD}.old/a": b"of t.b", "t/a": b"of t"}


def test_check_writable_makes_the_folder_and_leaves_nothing_in_it(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder")
    check_writable(tmp_path / "new" / "folder")
    assert tree(tmp_path) == {"new/folder": b""}


def test_check_writable_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    for folder in tmp_path / "f", tmp_path / "f" / "below":
        with pytest.raises(OutputError) as failure:
            check_writable(folder)
        assert (
            str(failure.value)
            == f"{folder}: something else is in the way; move it or choose another --out"
        )


READ_ONLY = "{}: it cannot be written; change its permissions or choose another --out"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    for write, place in (
        (check_writable, locked),
        (lambda place: write_file(place, b""), locked / "f"),
        (lambda place: write_folder(place, {"a": b""}), locked / "t"),
    ):
        with pytest.raises(OutputError) as failure:
            write(place)
        assert str(failure.value) == READ_ONLY.format(place)
    assert tree(locked) == {}


def test_read_only_folder_as_root_would_not_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise system_error(errno.EACCES)

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OutputError) as failure:
        check_writable(tmp_path)
    assert str(failure.value) == READ_ONLY.format(tmp_path)
    monkeypatch.setattr(Path, "mkdir", refuse)
    for write, place in (
        (check_writable, tmp_path),
        (lambda place: write_folder(place, {}), tmp_path / "t"),
    ):
        with pytest.raises(OutputError) as failure:
            write(place)
        assert str(failure.value) == READ_ONLY.format(place)


# ---- finding ----


def test_find_folders(tmp_path: Path) -> None:
    for folder in "a", "b/c", "a/inside", ".hidden/d", "b/.tmp/e", "b/other":
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / ("ticket.json" if folder != "b/other" else "run.json")).write_bytes(
            b""
        )
    assert find_folders([tmp_path], "ticket.json").folders == [tmp_path / "a", tmp_path / "b" / "c"]
    assert find_folders([tmp_path / "b", tmp_path / "a", tmp_path], "ticket.json").folders == [
        tmp_path / "a",
        tmp_path / "b" / "c",
    ]
    assert find_folders([tmp_path / "nowhere"], "ticket.json") == ([], [])
    hidden = tmp_path / ".hidden"
    assert find_folders([hidden], "ticket.json").folders == [hidden / "d"]


def test_half_written_folder_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    monkeypatch.setattr(
        disk,
        "flush_folder",
        lambda folder: found.append(find_folders([tmp_path], "t.json").folders),
    )
    write_folder(tmp_path / "t", {"t.json": b"{}"})
    assert found == [[], [tmp_path / "t"]]
