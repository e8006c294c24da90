"""Tiny files of every dataset format, and mutants of them, for tests/fuzz.py.

Where files are trusted by their digest, it is that of the mutant, or nothing beyond it would be
reached.
"""

import gzip
import io
import os
import tarfile
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from lthctl.canonical import sha256
from lthctl.datasets import cifar, emnist, svhn
from lthctl.datasets.idx import idx_bytes
from lthctl.datasets.image_folder import open_folder
from lthctl.datasets.known_files import KnownFiles
from lthctl.datasets.npz import open_npz
from lthctl.datasets.opened import OpenedFolder

from .mutations import Files, Rng, mutate_bytes

NOISE = np.random.default_rng(1).integers(0, 256, (6, 3, 32, 32)).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)


def open_trusted(files: KnownFiles, folder: Path) -> OpenedFolder:
    digests = {name: sha256((folder / name).read_bytes()) for name in files.digests}
    return replace(files, digests=digests).open(folder)


def mutate_one(files: Files, rng: Rng) -> Files:
    name = rng.choice(sorted(files))
    return {**files, name: mutate_bytes(files[name], rng, list(files.values()))}


def zip_of(members: Files, compression: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), member, compression)
    return content.getvalue()


def mutate_zip(content: bytes, rng: Rng, begin: int) -> bytes:
    """The archive, or the begin of a file in it."""
    if rng.random() < 0.3:
        return mutate_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    head = mutate_bytes(members[name][:begin], rng, list(members.values()))
    return zip_of({**members, name: head + members[name][begin:]})


@cache
def arrays() -> list[Files]:
    content, packed = io.BytesIO(), io.BytesIO()
    small = NOISE[:, :, :4, :4]
    names = ("train_images", "train_labels", "test_images", "test_labels")
    np.savez(content, **dict(zip(names, (small, LABELS, small[:3], LABELS[:3]), strict=True)))
    flat = small.reshape(6, -1).astype(np.float32)
    keras = {"x_train": flat, "y_train": LABELS[:, None], "x_test": flat, "y_test": LABELS}
    np.savez_compressed(packed, **keras)
    return [{"digits.npz": content.getvalue()}, {"digits.npz": packed.getvalue()}]


def mutate_arrays(files: Files, rng: Rng) -> Files:
    return {name: mutate_zip(content, rng, 128) for name, content in files.items()}


def read_arrays(folder: Path) -> OpenedFolder:
    return open_npz(folder)


@cache
def pictures() -> list[Files]:
    """A folder in every format that is usual."""

    def encoded(number: int, form: str) -> bytes:
        content = io.BytesIO()
        Image.fromarray(NOISE[number].transpose(1, 2, 0)[:8, :8]).save(content, form)
        return content.getvalue()

    forms = ["PNG", "JPEG", "GIF", "BMP", "PPM", "TIFF", "WEBP"]
    return [
        {
            f"{part}/{label}/{form}": encoded(label, form)
            for part in ("train", "test")
            for label in (0, 1)
        }
        for form in forms
    ]


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
"""Pillow gives it to Ghostscript, which is a programming language."""


def mutate_pictures(files: Files, rng: Rng) -> Files:
    """A file, or its name; or the pixels that were kept of another reading."""
    name = rng.choice(sorted(files))
    if rng.random() < 0.05:
        names = [
            "train/0/.x",
            "train/x",
            "x",
            "test/9/x",
            "train/0/a\nb",
            "train/\x1b[31m/x",
            "test/0/" + "x" * 200,
        ]
        return {
            **{key: one for key, one in files.items() if key != name},
            rng.choice(names): files[name],
        }
    if rng.random() < 0.02:
        return {**files, name: POSTSCRIPT}
    return {**files, name: mutate_bytes(files[name], rng, list(files.values()))}


def read_pictures(folder: Path) -> OpenedFolder:
    """Twice: the second time what was kept, or what is left of it."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    opened = open_folder(folder)
    (kept,) = (folder / "cache" / "lthctl").iterdir()
    content = kept.read_bytes()
    rng = Rng(sha256(content))
    kept.write_bytes(mutate_bytes(content, rng))
    again = open_folder(folder)
    assert again.whole.digest == opened.whole.digest
    return again


def tar_of(members: Files) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(member)
            archive.addfile(info, io.BytesIO(member))
    return content.getvalue()


@cache
def records() -> list[Files]:
    rows = np.concatenate([LABELS[:, None], NOISE.reshape(6, -1)], axis=1)
    members = {
        f"cifar-10-batches-bin/data_batch_{number}.bin": rows[number - 1 : number].tobytes()
        for number in range(1, 6)
    }
    members["cifar-10-batches-bin/test_batch.bin"] = rows[5:].tobytes()
    return [{cifar.ARCHIVE_10: gzip.compress(tar_of(members), mtime=0)}]


def mutate_records(files: Files, rng: Rng) -> Files:
    """The packed archive, or a header or a record in it."""
    ((name, content),) = files.items()
    if rng.random() < 0.3:
        return {name: mutate_bytes(content, rng)}
    unpacked = gzip.decompress(content)
    at = 512 * rng.randrange(len(unpacked) // 512)
    block = mutate_bytes(unpacked[at : at + 512], rng)
    if rng.random() < 0.5:  # headers have a checksum
        sums = sum(block[:148]) + 8 * 32 + sum(block[156:512])
        block = block[:148] + b"%06o\0 " % (sums % 8**6) + block[156:]
    return {name: gzip.compress(unpacked[:at] + block + unpacked[at + 512 :], 1, mtime=0)}


def read_records(folder: Path) -> OpenedFolder:
    return open_trusted(cifar.CIFAR_10_FILES, folder)


@cache
def letters() -> list[Files]:
    images = NOISE[:, 0, :28, :28]
    members = {
        f"gzip/emnist-balanced-{part}-{kind}-ubyte.gz": gzip.compress(idx_bytes(array), mtime=0)
        for part, count in (("train", 6), ("test", 3))
        for kind, array in (("images-idx3", images[:count]), ("labels-idx1", LABELS[:count]))
    }
    return [{emnist.ARCHIVE: zip_of(members)}]


def mutate_letters(files: Files, rng: Rng) -> Files:
    return {name: mutate_zip(content, rng, 4096) for name, content in files.items()}


def read_letters(folder: Path) -> OpenedFolder:
    emnist.LIMIT = 2**22  # the real one is more than a mutant may take
    return open_trusted(emnist.FILES, folder)


@cache
def house_numbers() -> list[Files]:
    def mat(count: int, *, packed: bool) -> bytes:
        content = io.BytesIO()
        parts = {"X": NOISE[:count].transpose(2, 3, 1, 0), "y": LABELS[:count, None]}
        savemat(content, parts, do_compression=packed)
        return content.getvalue()

    return [
        {svhn.TRAIN: mat(4, packed=packed), svhn.TEST: mat(3, packed=packed)}
        for packed in (False, True)
    ]


def read_house_numbers(folder: Path) -> OpenedFolder:
    return open_trusted(svhn.FILES, folder)
