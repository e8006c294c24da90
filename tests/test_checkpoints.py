"""Files made by others: read as their own programs read them, or refused; nothing in them is run,
nothing large is allocated."""

import io
import pickle
import struct
import tracemalloc
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lthctl.errors import CheckpointError
from lthctl.interop.checkpoints import read_checkpoint

LIMIT = 2**20


def saved(value: object, path: Path, **options: object) -> Path:
    torch.save(value, path, **options)
    return path


def read(path: Path) -> dict[str, np.ndarray]:
    return {
        name: entry.read() for name, entry in read_checkpoint(path, limit=LIMIT).entries.items()
    }


def refusal(path: Path, limit: int = LIMIT) -> str:
    with pytest.raises(CheckpointError) as refused:
        for entry in read_checkpoint(path, limit=limit).entries.values():
            entry.read()
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def tensors() -> dict[str, torch.Tensor]:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    kinds = (
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
    )
    return {
        "plain": base, "transposed": base.T, "view": base[1:3, ::2], "one": torch.tensor(3.5), "empty": torch.zeros(0, 3),
        "expanded": torch.tensor([1.0, 2.0])[:, None].expand(2, 3), **{str(kind): base.to(kind) for kind in kinds},
    }  # fmt: skip


def test_reads_what_torch_reads(tmp_path: Path) -> None:
    path = saved(tensors(), tmp_path / "x.pt")
    found = read(path)
    expected = torch.load(path, weights_only=True)
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        wanted = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        assert found[name].dtype == wanted.dtype
        np.testing.assert_array_equal(found[name], wanted)


def test_reads_safetensors(tmp_path: Path) -> None:
    contiguous = {name: tensor.contiguous() for name, tensor in tensors().items()}
    save_file(contiguous, tmp_path / "x.safetensors")
    found = read(tmp_path / "x.safetensors")
    for name, tensor in contiguous.items():
        np.testing.assert_array_equal(
            found[name], (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        )


def test_reads_a_modules_state_with_parameters_and_metadata(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    found = read(saved(module.state_dict(keep_vars=True), tmp_path / "x.pt"))
    for name, tensor in module.state_dict().items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (nn.Linear(2, 2), "needs torch.nn.modules.linear.Linear, which would have to be run; save the state_dict alone"),
        ({"a": Evil()}, "which would have to be run; save the state_dict alone: torch.save(model.state_dict(), FILE)"),
        ({"epoch": 3, "state_dict": {"a": torch.zeros(1)}}, "holds more than tensors by name: 'epoch' (int), 'state_dict' (dict); save"),
        ([torch.zeros(1)], "holds one list, expected a dict of names and tensors; save the state_dict alone"),
        ({1: torch.zeros(1)}, "has something of type int where a name is expected"),
        (torch.zeros(3), "holds one tensor, expected a dict"),
        ({"a": {1, 2}}, "needs __builtin__.set, which would have to be run; save the state_dict alone"),
    ],
)  # fmt: skip
def test_a_pickle_that_needs_more_is_refused_with_the_way_out(
    value: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refusal(saved(value, tmp_path / "x.pt"))
    assert not Path("ran").exists()


def test_old_pickles_and_other_files_are_refused(tmp_path: Path) -> None:
    old = saved({"a": torch.zeros(1)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert refusal(old).startswith("is a pickle, which is never run; save the state_dict alone")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Evil()))
    assert refusal(tmp_path / "plain.pkl").startswith("is a pickle")
    np.savez(tmp_path / "x.npz", a=np.zeros(2))
    assert refusal(tmp_path / "x.npz").startswith(
        "is an archive with 0 files data.pkl, expected one"
    )
    (tmp_path / "text").write_text("weights")
    assert refusal(tmp_path / "text") == "is neither safetensors nor what torch.save writes"
    assert "is missing" in refusal(tmp_path / "none")
    assert "expected at most 10" in refusal(old, limit=10)


@pytest.mark.parametrize("protocol", [0, 1, 4, 5])
def test_a_file_of_another_protocol_says_which_and_how_to_save(
    protocol: int, tmp_path: Path
) -> None:
    """Nor does torch.load(weights_only=True) read it."""
    path = saved(nn.Linear(2, 2).state_dict(), tmp_path / "x.pt", pickle_protocol=protocol)
    said = "0 or 1" if protocol < 2 else protocol
    assert refusal(path) == (
        f"was saved with pickle_protocol={said}, which neither lthctl nor "
        "torch.load with weights_only=True reads; save it again with torch.save's own, which is 2: "
        "leave the argument out"
    )
    old = saved(
        nn.Linear(2, 2).state_dict(),
        tmp_path / "old.pt",
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=False,
    )
    assert refusal(old).startswith("is a pickle, which is never run; save the state_dict alone")


def test_protocol_3_is_read_as_2_is(tmp_path: Path) -> None:
    path = saved({"a": torch.ones(2)}, tmp_path / "x.pt", pickle_protocol=3)
    assert read(path)["a"].tolist() == [1, 1]


def test_a_tensor_that_is_the_negative_of_its_storage(tmp_path: Path) -> None:
    numbers = torch.tensor([1 + 2j, 3 - 4j]).conj().imag
    assert numbers.is_neg()
    path = saved({"a": numbers}, tmp_path / "x.pt")
    expected = torch.load(path, weights_only=True)["a"]
    assert expected.tolist() == read(path)["a"].tolist() == [-2, 4]


@pytest.mark.parametrize("kind", ["uint16", "uint32", "uint64"])
def test_types_without_a_storage_of_their_own(kind: str, tmp_path: Path) -> None:
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, kind))
    path = saved({"a": tensor, "b": tensor.T[1:]}, tmp_path / "x.pt")
    np.testing.assert_array_equal(read(path)["a"], tensor.numpy())
    np.testing.assert_array_equal(read(path)["b"], tensor.T[1:].numpy())


@pytest.mark.parametrize(
    ("kind", "said"), [("complex64", "ComplexFloatStorage"), ("float8_e4m3fn", "float8_e4m3fn")]
)
def test_types_that_weights_have_not(kind: str, said: str, tmp_path: Path) -> None:
    path = saved({"a": torch.ones(2).to(getattr(torch, kind))}, tmp_path / "x.pt")
    assert refusal(path).startswith(f"holds numbers of type torch.{said}, expected one of Float, ")


def test_arguments_that_would_be_ignored_are_refused(tmp_path: Path) -> None:
    """Hooks, attributes, storages that are none, and whatever else a call is given too much."""
    path = saved({"a": torch.ones(3, 5)}, tmp_path / "x.pt")
    original = pickled(path)
    start, _, _ = original.partition(b"ccollections\nOrderedDict")  # the hooks, the last argument
    tail = b"tRs."
    for changed, message in [
        (start + b"}X\1\0\0\0hK\1s" + tail, "calls torch._utils._rebuild_tensor_v2 in a way"),
        (start + b"N" + tail, "calls torch._utils._rebuild_tensor_v2 in a way"),
        (start + b"}}X\4\0\0\0conj\x88s" + tail, "has a tensor that is more than a view of numbers"),
        (start + b"}}}" + tail, "is truncated or damaged (TypeError"),
        (original[:-2] + b"}X\1\0\0\0kK\1sbs.", "gives attributes to a tensor"),
        (original[:-1] + b"}X\1\0\0\0kK\1sb.", "gives attributes to a dict"),
        (original.replace(b"X\7\0\0\0storage", b"X\7\0\0\0another"), "refers to something else"),
        (original.replace(b"X\3\0\0\0cpu", b"X\4\0\0\0meta"), "refers to something else"),
    ]:  # fmt: skip
        assert changed != original
        repacked(path, {"data.pkl": changed})
        assert message in refusal(path), (changed, refusal(path))


def repacked(
    path: Path, change: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED
) -> Path:
    """A .pt file with some members replaced."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    root = next(name for name in members if name.endswith("data.pkl")).removesuffix("data.pkl")
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in {
            **members,
            **{root + key: value for key, value in change.items()},
        }.items():
            archive.writestr(name, content)
    return path


def pickled(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    return saved({"a": torch.ones(3, 5)}, tmp_path / "x.pt")


def test_archives_that_unpack_to_more_than_their_size(matrix: Path, tmp_path: Path) -> None:
    bomb = repacked(matrix, {"data/1": b"\0" * 10**7}, compression=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < LIMIT
    assert peak(lambda: refusal(bomb)) < 2**22
    assert (
        refusal(bomb)
        == "is an archive that unpacks to more than its size, which torch.save never makes"
    )
    # many members that are all the same bytes of the file
    whole = saved({"a": torch.ones(300, 500)}, tmp_path / "y.pt")
    content = bytearray(whole.read_bytes())
    directory = content.index(b"PK\1\2")
    entry = content[directory : content.index(b"PK\1\2", directory + 4)]
    end = content.index(b"PK\5\6")
    tail = bytearray(content[end:])
    added = bytes(entry) * 40
    struct.pack_into("<HHI", tail, 8, 40, 40, len(added))
    struct.pack_into("<I", tail, 16, directory)
    (tmp_path / "z.pt").write_bytes(bytes(content[:directory]) + added + bytes(tail))
    refusal(tmp_path / "z.pt")


def peak(work: object) -> int:
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_tensors_that_claim_more_than_their_storage(matrix: Path) -> None:
    # BININT1 3, BININT1 5, TUPLE2: the shape; 'J' is a four-byte integer
    original = pickled(matrix)
    shape = b"K\x03K\x05\x86"
    assert original.count(shape) == 1
    for claimed in (
        b"K\x03K\x06\x86",
        b"K\x03J" + struct.pack("<i", 2**30) + b"\x86",
        b"J" + struct.pack("<i", -3) + b"K\x05\x86",
    ):
        repacked(matrix, {"data.pkl": original.replace(shape, claimed)})
        assert refusal(matrix).startswith("a tensor")
    # strides of 0: a large tensor of one number
    huge = b"J" + struct.pack("<i", 2**30) + b"K\x05\x86"
    strides = b"K\x05K\x01\x86"
    assert original.count(strides) == 1
    repacked(
        matrix, {"data.pkl": original.replace(shape, huge).replace(strides, b"K\x00K\x00\x86")}
    )
    assert peak(lambda: refusal(matrix)) < 2**22
    repacked(matrix, {"data.pkl": original, "data/0": b"\0" * 59})
    assert "its storage '0' has 59 bytes" in refusal(matrix)
    repacked(matrix, {"data/0": b"\0" * 60, "byteorder": b"big"})
    assert "big-endian" in refusal(matrix)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02" + b"\x96" + struct.pack("<Q", 10**11) + b".",  # BYTEARRAY8 of 100 GB
        b"\x80\x02" + b"X" + struct.pack("<I", 2**32 - 1) + b"a.",  # a string of 4 GB
        b"\x80\x02" + b"\x8d" + struct.pack("<Q", 2**62) + b"a.",
        b"\x80\x02}r" + struct.pack("<I", 2**31) + b".",  # a memo entry far out
        b"\x80\x02}" + b"c__builtin__\nbytearray\n" + b"\x8a\x05\0\0\0\0\x10\x85R.",
        b"\x80\x02)" + b"2\x86" * 60 + b".",  # DUP
        b"\x80\x02)" + b"q\0h\0\x86" * 60 + b"}" + b"q\1h\0K\1s.",  # a tuple of 2 ** 60 leaves, as a key
        b"\x80\x02}" + b"X\1\0\0\0a" + b")" + b"q\0h\0\x86" * 60 + b"s.",  # and as a value
        b"\x80\x02}" + b")" + b"q\0h\0\x86" * 60 + b"K\1s.",
        b"\x80\x02ccollections\nOrderedDict\n)" + b"q\0h\0\x86" * 60 + b"\x85R.",
        b"\x80\x02" + b"(" * 10**4 + b".",
        b"\x80\x02" + b"]" * 10**4,
        b"", b".", b"}", b"R.", b"t.", b"h\0.", b"u.", b"\x80\x02}(u.", b"\x80\x02}(K\1u.",
    ],
)  # fmt: skip
def test_hostile_pickles(content: bytes, matrix: Path) -> None:
    repacked(matrix, {"data.pkl": content})

    def outcome() -> None:
        with suppress(CheckpointError):
            assert read(matrix) == {}

    assert peak(outcome) < 2**24


def test_a_header_that_claims_100_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(
        struct.pack("<Q", 10**11)
        + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        + b"\0" * 4
    )
    assert "is no safetensors file" in refusal(path)
    header = b'{"a":{"dtype":"F32","shape":[25000000000],"data_offsets":[0,100000000000]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    assert "is no safetensors file" in refusal(path)


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """Forty of each; the fuzzing of all readers is elsewhere."""
    random = np.random.default_rng(0)
    state = OrderedDict(a=torch.ones(3, 5), b=torch.zeros(4, dtype=torch.bool))
    save_file(dict(state), tmp_path / "x.safetensors")
    for original in (
        saved(state, tmp_path / "x.pt").read_bytes(),
        (tmp_path / "x.safetensors").read_bytes(),
    ):
        for _ in range(40):
            content = bytearray(original)
            for place in random.integers(0, len(content), random.integers(1, 6)):
                content[place] = random.integers(0, 256)
            path = tmp_path / "mutated"
            path.write_bytes(
                content[: random.integers(1, len(content) + 1)]
                if random.random() < 0.3
                else content
            )
            try:
                read(path)
            except CheckpointError as error:
                assert str(error).startswith(f"{path}: ")


def test_a_pickle_that_is_too_long(matrix: Path) -> None:
    repacked(matrix, {"data.pkl": io.BytesIO(b"\x80\x02" + b"]0" * 2**20 + b".").getvalue()})
    assert "data.pkl is larger than 2,097,152 bytes" in refusal(matrix, limit=2**23)


def test_a_storage_that_is_there_many_times_is_read_once(
    matrix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive may name one member again and again; each costs some bytes of the file."""
    with zipfile.ZipFile(matrix) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("data/0")]
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(matrix, "a") as archive:
        for _ in range(20):
            archive.writestr(name, np.full(15, 2, np.float32).tobytes())
    asked: list[str] = []
    read_member = zipfile.ZipFile.read
    monkeypatch.setattr(
        zipfile.ZipFile, "read", lambda self, name: asked.append(name) or read_member(self, name)
    )
    assert read(matrix)["a"].tolist() == np.full((3, 5), 2).tolist()
    assert asked.count(name) == 1
