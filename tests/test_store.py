"""The store: gives back exactly what was put, and nothing where anything is damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lthctl.files import seal, sha256
from lthctl.store import TRAINING_JSON, Store
from lthctl.ticket import HISTORY_FILE, WEIGHTS_FILE
from lthctl.training import Result, Row, Training

MakeTraining = Callable[..., Training]


def a_result(training: Training, loss: float = 0.1 + 0.2) -> Result:
    """Made up: the store does not ask where a result came from."""
    weights = {name: array + np.float32(0.1) for name, array in training.start.items()}
    return Result(weights, (Row(0, loss, 2.3, 0.1), Row(10, 0.2, 1e-20, 0.9)))


@pytest.fixture
def training(make_training: MakeTraining) -> Training:
    return make_training()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / ".lthctl")


def place_of(tmp_path: Path, training: Training) -> Path:
    return tmp_path / ".lthctl" / "trainings" / training.digest[:2] / training.digest


def same(a: Result | None, b: Result) -> bool:
    return (
        a is not None
        and a.history == b.history
        and a.weights.keys() == b.weights.keys()
        and all(
            (a.weights[name].dtype, a.weights[name].shape, a.weights[name].tobytes())
            == (array.dtype, array.shape, array.tobytes())
            for name, array in b.weights.items()
        )
    )


def test_a_store_need_not_be_there(store: Store, training: Training, tmp_path: Path) -> None:
    assert store.get(training) is None
    assert training.digest not in store
    assert list(store) == []
    assert not (tmp_path / ".lthctl").exists()


def test_gives_back_exactly_what_was_put(store: Store, training: Training, tmp_path: Path) -> None:
    result = a_result(training)
    store.put(training, result)
    assert same(store.get(training), result)
    assert same(Store(tmp_path / ".lthctl").get(training), result)
    assert {path.name for path in place_of(tmp_path, training).iterdir()} == {TRAINING_JSON, WEIGHTS_FILE, HISTORY_FILE}


def test_history_with_a_test_split(store: Store, training: Training) -> None:
    result = Result(training.start, (Row(0, 1.0, 2.0, 0.5, 3.0, 0.25),))
    store.put(training, result)
    assert same(store.get(training), result)


def test_contains_and_iter(store: Store, make_training: MakeTraining) -> None:
    trainings = [make_training(seed=seed) for seed in (1, 2, 3)]
    for training in trainings[:2]:
        store.put(training, a_result(training))
    assert [training.digest in store for training in trainings] == [True, True, False]
    assert list(store) == sorted(training.digest for training in trainings[:2])


def test_trainings_are_kept_apart(store: Store, make_training: MakeTraining) -> None:
    one, other = make_training(seed=1), make_training(seed=2)
    store.put(one, a_result(one, loss=1.0))
    assert store.get(other) is None
    store.put(other, a_result(other, loss=2.0))
    assert [result.history[0].train_loss for result in (store.get(one), store.get(other)) if result] == [1.0, 2.0]


def test_same_result_same_bytes(store: Store, training: Training, tmp_path: Path) -> None:
    place = place_of(tmp_path, training)
    store.put(training, a_result(training))
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    store.put(training, a_result(training))
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def reseal(place: Path, **changes: object) -> None:
    document = json.loads((place / TRAINING_JSON).read_bytes())
    del document["digest"]
    (place / TRAINING_JSON).write_bytes(seal(document | changes))


def forge(place: Path, name: str, content: bytes) -> None:
    """Put other bytes in the place of a file, with the right digests."""
    (place / name).write_bytes(content)
    files = json.loads((place / TRAINING_JSON).read_bytes())["files"]
    reseal(place, files=files | {name: sha256(content)})


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    **{f"no {name}": lambda p, name=name: (p / name).unlink() for name in (TRAINING_JSON, WEIGHTS_FILE, HISTORY_FILE)},
    **{
        f"{name} empty": lambda p, name=name: (p / name).write_bytes(b"")
        for name in (TRAINING_JSON, WEIGHTS_FILE, HISTORY_FILE)
    },
    **{
        f"{name} cut": lambda p, name=name: (p / name).write_bytes((p / name).read_bytes()[:-2])
        for name in (TRAINING_JSON, WEIGHTS_FILE, HISTORY_FILE)
    },
    **{f"{name} flipped": lambda p, name=name: flip(p / name) for name in (TRAINING_JSON, WEIGHTS_FILE, HISTORY_FILE)},
    "newer schema": lambda p: reseal(p, schema=2),
    "other kind": lambda p: reseal(p, kind="ticket"),
    "another training": lambda p: reseal(p, training="0" * 64),
    "no digests": lambda p: reseal(p, files={}),
    "digests no mapping": lambda p: reseal(p, files=3),
    "forged weights": lambda p: forge(p, WEIGHTS_FILE, b"\x80\x04N."),
    "forged history": lambda p: forge(p, HISTORY_FILE, b"step\n1\n"),
    "history no text": lambda p: forge(p, HISTORY_FILE, b"\xff"),
    "folder empty": lambda p: (shutil.rmtree(p), p.mkdir()),
    "file in its place": lambda p: (shutil.rmtree(p), p.write_bytes(b"")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_is_absent(store: Store, training: Training, tmp_path: Path, damage: str) -> None:
    store.put(training, a_result(training))
    assert store.get(training) is not None
    DAMAGES[damage](place_of(tmp_path, training))
    assert store.get(training) is None


@pytest.mark.parametrize("damage", sorted(DAMAGES.keys() - {"file in its place"}))
def test_put_replaces_what_is_damaged(store: Store, training: Training, tmp_path: Path, damage: str) -> None:
    store.put(training, a_result(training, loss=1.0))
    DAMAGES[damage](place_of(tmp_path, training))
    store.put(training, a_result(training, loss=2.0))
    assert same(store.get(training), a_result(training, loss=2.0))
    assert [path.name for path in place_of(tmp_path, training).parent.iterdir()] == [training.digest]


def test_put_replaces_a_file_in_its_place(store: Store, training: Training, tmp_path: Path) -> None:
    place = place_of(tmp_path, training)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    store.put(training, a_result(training))


def test_history_that_is_no_csv_is_absent(store: Store, training: Training, tmp_path: Path) -> None:
    store.put(training, a_result(training))
    forge(place_of(tmp_path, training), HISTORY_FILE, b"step,train_loss,validation_loss,validation_accuracy\n1\r2\n")
    assert store.get(training) is None


def test_put_replaces_what_is_right(store: Store, training: Training) -> None:
    store.put(training, a_result(training, loss=1.0))
    store.put(training, a_result(training, loss=2.0))
    assert same(store.get(training), a_result(training, loss=2.0))
    assert list(store) == [training.digest]


def test_half_written_entries_do_not_count(store: Store, training: Training, tmp_path: Path) -> None:
    store.put(training, a_result(training))
    place = place_of(tmp_path, training)
    place.rename(place.with_name(f".{place.name}.{2**31 - 1}.new"))
    assert training.digest not in store
    assert store.get(training) is None
    store.put(training, a_result(training))
    assert list(store) == [training.digest]


def test_half_written_entries_are_not_listed(store: Store, training: Training, tmp_path: Path) -> None:
    store.put(training, a_result(training))
    place = place_of(tmp_path, training)
    place.rename(place.with_name(f".{place.name}.{2**31 - 1}.new"))
    assert list(store) == []


def test_foreign_folders_are_not_listed(store: Store, tmp_path: Path) -> None:
    foreign = tmp_path / ".lthctl" / "trainings" / "notes" / "mine"
    foreign.mkdir(parents=True)
    (foreign / TRAINING_JSON).write_bytes(b"{}")
    assert list(store) == []


def test_entry_in_the_place_of_another_is_absent(store: Store, make_training: MakeTraining, tmp_path: Path) -> None:
    one, other = make_training(seed=1), make_training(seed=2)
    store.put(one, a_result(one))
    shutil.copytree(place_of(tmp_path, one), place_of(tmp_path, other))
    assert other.digest in store
    assert store.get(other) is None
