"""The number of cores, where the system tells which ones a process may use and where it does not."""

import os

import pytest

from lthctl.cores import num_cores


def test_the_cores_that_the_process_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 8}, raising=False)
    assert num_cores() == 3


def test_macos_does_not_know_which_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert num_cores() == 10
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert num_cores() == 1
