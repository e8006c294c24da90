"""Leases by files, where locks do not reach from machine to machine."""

import errno
import os
from pathlib import Path

import pytest

from lthctl.artifacts.heartbeat import STALE_SECONDS, Heartbeat
from lthctl.artifacts.leases import Leases
from lthctl.artifacts.shared_leases import SharedLeases

DIGEST = "d" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "leases").mkdir()
    (tmp_path / "workers").mkdir()
    return tmp_path


def worker(folder: Path, host: str) -> SharedLeases:
    """A worker of a machine without locks that has just shown itself."""
    heart = Heartbeat(folder / "workers", f"plan-{host}-1-abc")
    heart.beat(b"{}")
    return SharedLeases(Leases(None), folder / "leases", heart)


def files(folder: Path) -> list[str]:
    return [path.name for path in (folder / "leases").iterdir()]


def test_a_lease_is_one_workers_until_it_gives_it_up(folder: Path) -> None:
    one, two = worker(folder, "n1"), worker(folder, "n2")
    assert one.take(DIGEST) and one.take(DIGEST)
    assert not two.take(DIGEST)
    two.give_up(DIGEST)  # which is not its own
    assert not two.take(DIGEST)
    one.give_up(DIGEST)
    assert two.take(DIGEST) and not one.take(DIGEST)
    two.give_up_all()
    assert files(folder) == []


def test_the_lease_of_a_lost_worker_counts_until_it_is_taken_for_lost(folder: Path) -> None:
    lost, two, three = (worker(folder, f"n{number}") for number in (1, 2, 3))
    assert lost.take(DIGEST)
    path = folder / "workers" / "plan-n1-1-abc.json"
    shown = path.stat().st_mtime
    os.utime(path, (shown, shown - STALE_SECONDS + 10))
    assert not two.take(DIGEST)
    os.utime(path, (shown, shown - STALE_SECONDS - 10))
    assert two.take(DIGEST) and not three.take(DIGEST)


def test_clocks_of_machines_do_not_matter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = worker(folder, "n1")
    assert one.take(DIGEST)
    for now in (4e9, 0.0):
        monkeypatch.setattr("time.time", lambda now=now: now)
        monkeypatch.setattr("time.monotonic", lambda: 5.0)
        assert not worker(folder, "n2").take(DIGEST)


def test_a_worker_is_lost_by_the_clock_of_the_server_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock stands still, or goes back, takes a lease over as soon as others do."""
    assert worker(folder, "n1").take(DIGEST)
    path = folder / "workers" / "plan-n1-1-abc.json"
    shown = path.stat().st_mtime - STALE_SECONDS - 1
    os.utime(path, (shown, shown))
    monkeypatch.setattr("time.time", lambda: shown - 3600)
    assert worker(folder, "n2").take(DIGEST)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("at", ["open", "fdopen"])
def test_on_a_full_disk_everything_can_be_leased_and_nothing_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, at: str
) -> None:
    """Such a lease is worth less, or nothing: a training may be done twice."""
    one = worker(folder, "n1")
    with monkeypatch.context() as patch:

        def full(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        patch.setattr(f"lthctl.artifacts.shared_leases.os.{at}", full)
        assert one.take(DIGEST)
    one.give_up(DIGEST)
    assert files(folder) == []


def test_no_file_stays_when_locks_turn_out_to_reach_all_machines(folder: Path) -> None:
    one = worker(folder, "n1")
    assert one.take(DIGEST)
    one.by_files = False
    one.give_up(DIGEST)
    assert files(folder) == []
