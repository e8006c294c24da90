"""One folder in the place of another: killed anywhere, one whole version is there for everybody."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lthctl import replacing
from lthctl.disk import write_folder
from lthctl.errors import OutputError, TicketError
from lthctl.reading import find_folders, is_there
from tests.test_disk import DEAD, no_exchange, system_error, tree

OLD, NEW = {"ticket.json": b"old"}, {"ticket.json": b"new", "b": b"new"}

KILLED = """
import os, signal, sys
from pathlib import Path
from lthctl import replacing
from lthctl.disk import write_folder
if sys.argv[2] == "renames":
    replacing.exchange = lambda one, other: False
left = int(sys.argv[1])
def counted(function):
    def call(*words, **more):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*words, **more)
    return call
for name in "rename", "replace", "mkdir", "unlink", "fsync", "rmdir", "open":
    setattr(os, name, counted(getattr(os, name)))
replacing.exchange = counted(replacing.exchange)
replacing.shutil.rmtree = counted(replacing.shutil.rmtree)
write_folder(Path("t"), {"ticket.json": b"new", "b": b"new"}, replace=True)
"""


def killed_replacements(place: Path, how: str) -> Iterator[Path]:
    """A folder for each step at which a replacement was killed, until one ends by itself."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    for step in range(1000):
        folder = place / str(step)
        write_folder(folder / "t", OLD)
        command = [sys.executable, "-c", KILLED, str(step), how]
        done = subprocess.run(command, cwd=folder, env=environment, check=False)
        yield folder
        if done.returncode == 0:
            return


@pytest.mark.long
@pytest.mark.parametrize("how", ["exchange", "renames"])
def test_killed_at_every_step_a_folder_is_one_version_for_the_next_command(
    tmp_path: Path, how: str
) -> None:
    steps = 0
    for folder in killed_replacements(tmp_path, how):
        steps += 1
        if how == "exchange":  # not even a command is needed
            assert tree(folder / "t") in (OLD, NEW)
        assert find_folders([folder], "ticket.json") == ([folder / "t"], [])
        assert tree(folder / "t") in (OLD, NEW)
        write_folder(folder / "t", NEW, replace=True)
        assert tree(folder) == {f"t/{name}": content for name, content in NEW.items()}
    assert steps > 5


def cut_off(folder: Path) -> None:
    """What is left of a replacement that was killed between its two renames."""
    write_folder(folder.with_name(f".{folder.name}.{DEAD}.old"), OLD)
    write_folder(folder.with_name(f".{folder.name}.{DEAD}.new"), NEW)


def test_a_replacement_that_was_cut_off_is_finished_by_whoever_looks(tmp_path: Path) -> None:
    for number, look in enumerate(
        (
            lambda place: find_folders([place.parent], "ticket.json"),
            lambda place: find_folders([place], "ticket.json"),
            lambda place: is_there(place, TicketError),
            lambda place: write_folder(place.with_name("u"), OLD) or is_there(place, TicketError),
        )
    ):
        place = tmp_path / str(number) / "t"
        cut_off(place)
        look(place)
        assert tree(place) == NEW


def test_it_is_finished_before_a_new_one_is_written(tmp_path: Path) -> None:
    cut_off(tmp_path / "t")
    with pytest.raises(OutputError, match="something else is in the way"):
        write_folder(tmp_path / "t", {"a": b"newer"})
    assert tree(tmp_path) == {f"t/{name}": content for name, content in NEW.items()}


def test_leftovers_never_come_back(tmp_path: Path) -> None:
    for end in "old", "new":
        write_folder(tmp_path / f".t.{DEAD}.{end}", OLD)
        assert find_folders([tmp_path], "ticket.json") == ([], [])
        assert not is_there(tmp_path / "t", TicketError)
        write_folder(tmp_path / "t", NEW)
        assert tree(tmp_path) == {f"t/{name}": content for name, content in NEW.items()}
        for path in (tmp_path / "t").iterdir():
            path.unlink()
        (tmp_path / "t").rmdir()


def test_a_replacement_under_way_is_not_disturbed_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "WAIT_SECONDS", 0.02)
    cut_off(tmp_path / "t")
    before = tree(tmp_path)
    descriptor = os.open(tmp_path / f".t.{DEAD}.new", os.O_RDONLY)
    try:
        assert replacing.take_lock(descriptor)
        folders, unread = find_folders([tmp_path], "ticket.json")
        with pytest.raises(TicketError, match="has not ended"):
            is_there(tmp_path / "t", TicketError)
    finally:
        os.close(descriptor)
    assert folders == [] and [place for place, _ in unread] == [tmp_path / "t"]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("days", [-2, 0, 2])
def test_without_locks_the_clock_of_the_disk_says_what_is_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    """That of this machine may be days ahead of the file server's, or behind."""
    write_folder(tmp_path / f".t.{DEAD}.new", NEW)
    now = time.time()
    monkeypatch.setattr(replacing, "take_lock", lambda *_: None)
    monkeypatch.setattr("time.time", lambda: now + days * 86_400)
    replacing.remove_abandoned(tmp_path / "t")
    assert tree(tmp_path)  # somebody may be writing it
    long_ago = now - replacing.ABANDONED_SECONDS - 60
    os.utime(tmp_path / f".t.{DEAD}.new", (long_ago, long_ago))
    replacing.remove_abandoned(tmp_path / "t")
    assert not tree(tmp_path)


@pytest.mark.parametrize("fault", [errno.EIO, None])
def test_where_neither_can_be_put_in_place_both_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int | None
) -> None:
    """Every rename after the first fails, or Ctrl-C is pressed right after the first."""
    no_exchange(monkeypatch)
    write_folder(tmp_path / "t", OLD)
    rename, count = Path.rename, iter(range(10))

    def failing(self: Path, target: Path) -> Path:
        if (number := next(count)) and fault:
            raise system_error(fault)
        place = rename(self, target)
        if number == 0 and fault is None:
            raise KeyboardInterrupt
        return place

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing)
        with pytest.raises((OutputError, KeyboardInterrupt)):
            write_folder(tmp_path / "t", NEW, replace=True)
    assert find_folders([tmp_path], "ticket.json") == ([tmp_path / "t"], [])
    assert tree(tmp_path / "t") in (OLD, NEW)


def test_without_exchange_the_old_is_gone_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_exchange(monkeypatch)
    for content in OLD, NEW, OLD:
        write_folder(tmp_path / "t", content, replace=True)
        assert tree(tmp_path) == {f"t/{name}": value for name, value in content.items()}


def test_a_system_without_o_nonblock_clears_away_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_NONBLOCK")
    (tmp_path / ".t.ab.new").mkdir()
    with replacing._abandoned(tmp_path / ".t.ab.new", 0) as is_abandoned:
        assert is_abandoned


def test_what_is_about_to_go_is_locked_until_it_is_gone(tmp_path: Path) -> None:
    """Otherwise its maker would lock it after the look and before the removal, and write into it."""
    hidden = tmp_path / ".t.ab.new"
    hidden.mkdir()
    with replacing._abandoned(hidden, 0) as is_abandoned:
        assert is_abandoned
        descriptor = os.open(hidden, os.O_RDONLY)
        assert replacing.take_lock(descriptor) is False
        os.close(descriptor)
