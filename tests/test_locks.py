"""Locks exclude others and end with their holder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lthctl.locks import release_byte, take_lock

HOLD = """
import os, sys
from lthctl.locks import take_lock
assert take_lock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), byte=int(sys.argv[2]))
print("locked", flush=True)
input()
"""


def test_a_folder_is_locked_for_one_descriptor_until_it_is_closed(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    assert take_lock(first) is True
    assert take_lock(second) is False
    os.close(first)
    assert take_lock(second) is True
    os.close(second)


def test_a_byte_is_locked_for_one_process_until_that_is_killed(tmp_path: Path) -> None:
    file, byte = tmp_path / "lock", 2**62
    command = [sys.executable, "-c", HOLD, str(file), str(byte)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"locked\n"
        descriptor = os.open(file, os.O_RDWR)
        assert take_lock(descriptor, byte=byte) is False
        assert take_lock(descriptor, byte=byte + 1) is True
        holder.kill()
        holder.wait()
        assert take_lock(descriptor, byte=byte) is True
    release_byte(descriptor, byte)
    os.close(descriptor)


def test_a_byte_given_up_is_free_for_others(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    assert take_lock(descriptor, byte=7)
    command = [sys.executable, "-c", HOLD, str(file), "7"]
    assert subprocess.run(command, input=b"\n", capture_output=True).returncode == 1
    release_byte(descriptor, 7)
    assert subprocess.run(command, input=b"\n", capture_output=True).returncode == 0
    os.close(descriptor)


@pytest.mark.parametrize("byte", [None, 5])
def test_where_there_are_no_locks_it_says_so(tmp_path: Path, byte: int | None) -> None:
    closed = os.open(tmp_path, os.O_RDONLY)
    os.close(closed)
    assert take_lock(closed, byte=byte) is None
    release_byte(closed, 5)
