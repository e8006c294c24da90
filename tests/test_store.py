"""The store: gives back exactly what was put, and nothing where anything is damaged."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lthctl.artifacts.housekeeping import StoreCheck, check_store
from lthctl.artifacts.names import HISTORY_FILE, RUN_JSON, TICKET_JSON, WEIGHTS_FILE
from lthctl.artifacts.references import unreferenced
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.store import LOCK_FILE, TRAINING_JSON, Store
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.canonical import digest_of_arrays, sha256
from lthctl.datasets.base import Dataset
from lthctl.errors import RunError, TicketError
from lthctl.mask import Mask
from lthctl.training.history import Result, Row
from lthctl.training.spec import Training

MakeTraining = Callable[..., Training]
SCHEMA_1 = Path(__file__).parent / "fixtures" / "schema-1"


def a_result(training: Training, loss: float = 0.1 + 0.2) -> Result:
    """Made up: the store does not ask where a result came from."""
    weights = {name: array + np.float32(0.1) for name, array in training.start.items()}
    return Result(
        weights, (Row(10, loss, 2.3, 0.1), Row(20, 0.3, 1.2, 0.5), Row(30, 0.2, 1e-20, 0.9))
    )


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
    assert {path.name for path in place_of(tmp_path, training).iterdir()} == {
        TRAINING_JSON,
        WEIGHTS_FILE,
        HISTORY_FILE,
    }


def test_history_with_a_test_split(
    store: Store, training: Training, make_training: MakeTraining
) -> None:
    tested = Dataset(
        "digits", training.dataset.train, training.dataset.validation, training.dataset.validation
    )
    training = make_training(dataset=tested)
    rows = tuple(
        row._replace(test_loss=3.0, test_accuracy=0.25) for row in a_result(training).history
    )
    result = Result(training.start, rows)
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
    assert [
        result.history[0].train_loss for result in (store.get(one), store.get(other)) if result
    ] == [1.0, 2.0]


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
    **{
        f"no {name}": lambda p, name=name: (p / name).unlink()
        for name in (TRAINING_JSON, WEIGHTS_FILE, HISTORY_FILE)
    },
    **{
        f"{name} empty": lambda p, name=name: (p / name).write_bytes(b"")
        for name in (TRAINING_JSON, WEIGHTS_FILE, HISTORY_FILE)
    },
    **{
        f"{name} cut": lambda p, name=name: (p / name).write_bytes((p / name).read_bytes()[:-2])
        for name in (TRAINING_JSON, WEIGHTS_FILE, HISTORY_FILE)
    },
    **{
        f"{name} flipped": lambda p, name=name: flip(p / name)
        for name in (TRAINING_JSON, WEIGHTS_FILE, HISTORY_FILE)
    },
    "newer schema": lambda p: reseal(p, schema=2),
    "other kind": lambda p: reseal(p, kind="ticket"),
    "another training": lambda p: reseal(p, training="0" * 64),
    "no digests": lambda p: reseal(p, files={}),
    "digests no mapping": lambda p: reseal(p, files=3),
    "forged weights": lambda p: forge(p, WEIGHTS_FILE, b"\x80\x04N."),
    "forged history": lambda p: forge(p, HISTORY_FILE, b"step\n1\n"),
    "history of nothing": lambda p: forge(
        p, HISTORY_FILE, (p / HISTORY_FILE).read_bytes().splitlines(True)[0]
    ),
    "history cut short": lambda p: forge(
        p, HISTORY_FILE, b"".join((p / HISTORY_FILE).read_bytes().splitlines(True)[:3])
    ),
    "weights of another name": lambda p: forge(
        p, WEIGHTS_FILE, tensors_bytes({"a": np.zeros(3, np.float32)})
    ),
    "an unknown key": lambda p: reseal(p, more=1),
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
def test_put_replaces_what_is_damaged(
    store: Store, training: Training, tmp_path: Path, damage: str
) -> None:
    store.put(training, a_result(training, loss=1.0))
    DAMAGES[damage](place_of(tmp_path, training))
    store.put(training, a_result(training, loss=2.0))
    assert same(store.get(training), a_result(training, loss=2.0))
    assert [path.name for path in place_of(tmp_path, training).parent.iterdir()] == [
        training.digest
    ]


def test_put_replaces_a_file_in_its_place(store: Store, training: Training, tmp_path: Path) -> None:
    place = place_of(tmp_path, training)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    store.put(training, a_result(training))


def test_history_that_is_no_csv_is_absent(store: Store, training: Training, tmp_path: Path) -> None:
    store.put(training, a_result(training))
    forge(
        place_of(tmp_path, training),
        HISTORY_FILE,
        b"step,train_loss,validation_loss,validation_accuracy\n1\r2\n",
    )
    assert store.get(training) is None


def test_put_replaces_what_is_right(store: Store, training: Training) -> None:
    store.put(training, a_result(training, loss=1.0))
    store.put(training, a_result(training, loss=2.0))
    assert same(store.get(training), a_result(training, loss=2.0))
    assert list(store) == [training.digest]


def test_half_written_entries_do_not_count(
    store: Store, training: Training, tmp_path: Path
) -> None:
    store.put(training, a_result(training))
    place = place_of(tmp_path, training)
    place.rename(place.with_name(f".{place.name}.{2**31 - 1}.new"))
    assert training.digest not in store
    assert store.get(training) is None
    store.put(training, a_result(training))
    assert list(store) == [training.digest]


def test_half_written_entries_are_not_listed(
    store: Store, training: Training, tmp_path: Path
) -> None:
    store.put(training, a_result(training))
    place = place_of(tmp_path, training)
    place.rename(place.with_name(f".{place.name}.{2**31 - 1}.new"))
    assert list(store) == []


def test_foreign_folders_are_not_listed(store: Store, tmp_path: Path) -> None:
    foreign = tmp_path / ".lthctl" / "trainings" / "notes" / "mine"
    foreign.mkdir(parents=True)
    (foreign / TRAINING_JSON).write_bytes(b"{}")
    assert list(store) == []


def test_entry_in_the_place_of_another_is_absent(
    store: Store, make_training: MakeTraining, tmp_path: Path
) -> None:
    one, other = make_training(seed=1), make_training(seed=2)
    store.put(one, a_result(one))
    shutil.copytree(place_of(tmp_path, one), place_of(tmp_path, other))
    assert other.digest in store
    assert store.get(other) is None


def test_files_swapped_between_two_entries_are_absent(
    store: Store, make_training: MakeTraining, tmp_path: Path
) -> None:
    one, other = make_training(seed=1), make_training(seed=2)
    for name in WEIGHTS_FILE, HISTORY_FILE:
        store.put(one, a_result(one, loss=1.0))
        store.put(other, a_result(other, loss=2.0))
        first, second = place_of(tmp_path, one) / name, place_of(tmp_path, other) / name
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)
        assert store.get(one) is None and store.get(other) is None


def test_weights_that_cannot_be_of_the_training_are_absent(
    store: Store, make_training: MakeTraining, tmp_path: Path
) -> None:
    """Digests do not help against somebody who writes them anew; a pruned weight that lives again
    is found."""
    full = make_training().mask
    pruned = Mask(dict(full) | {"layers.0.bias": np.arange(20) > 0})
    training = make_training(mask=pruned)
    right = pruned.apply(a_result(training).weights)
    store.put(training, Result(right, a_result(training).history))
    assert store.get(training) is not None
    alive = {name: array.copy() for name, array in right.items()}
    alive["layers.0.bias"][0] = 1
    fewer = {name: array for name, array in right.items() if name != "layers.0.bias"}
    misshapen = right | {"layers.0.bias": np.zeros(21, np.float32)}
    for wrong in alive, fewer, misshapen:
        forge(place_of(tmp_path, training), WEIGHTS_FILE, tensors_bytes(wrong))
        assert store.get(training) is None


def test_check_names_and_throws_out_what_is_damaged(
    store: Store, make_training: MakeTraining, tmp_path: Path
) -> None:
    trainings = [make_training(seed=seed) for seed in range(4)]
    for training in trainings:
        store.put(training, a_result(training))
    flip(place_of(tmp_path, trainings[1]) / WEIGHTS_FILE)
    shutil.rmtree(place_of(tmp_path, trainings[2]))
    shutil.copytree(place_of(tmp_path, trainings[0]), place_of(tmp_path, trainings[2]))
    killed = place_of(tmp_path, trainings[0]).with_name(f".{'0' * 64}.abc123.new")
    killed.mkdir()
    check = check_store(tmp_path / ".lthctl")
    found = dict(check.damaged)
    assert check.unread == () and check.num_whole == 2
    assert found.keys() == {trainings[1].digest, trainings[2].digest}
    assert found[trainings[1].digest].startswith(
        f"{place_of(tmp_path, trainings[1]) / WEIGHTS_FILE}: has SHA-256 "
    )
    assert found[trainings[2].digest].endswith(
        f"is the training {trainings[0].digest}, in the place of another"
    )
    assert list(store) == sorted(training.digest for training in (trainings[0], trainings[3]))
    assert not killed.exists()
    assert check_store(tmp_path / ".lthctl") == StoreCheck(2, ())


@pytest.mark.parametrize(
    "damage", sorted(DAMAGES.keys() - {"history cut short", "weights of another name"})
)
def test_check_finds_every_damage_that_needs_no_training_to_be_seen(
    store: Store, training: Training, tmp_path: Path, damage: str
) -> None:
    store.put(training, a_result(training))
    DAMAGES[damage](place_of(tmp_path, training))
    check = check_store(tmp_path / ".lthctl")
    assert check.unread == () and [digest for digest, _ in check.damaged] == [training.digest]
    assert not place_of(tmp_path, training).exists()


def write_document(folder: Path, source: str, **changes: object) -> None:
    """The document of one of the fixtures, with other values."""
    path = SCHEMA_1 / source
    document = json.loads(path.read_bytes())
    del document["digest"]
    folder.mkdir(parents=True)
    (folder / path.name).write_bytes(seal(document | changes))


def test_what_a_run_or_a_ticket_came_from_is_referenced(
    store: Store, make_training: MakeTraining, tmp_path: Path
) -> None:
    of_run, of_ticket, of_nobody, damaged = (make_training(seed=seed) for seed in range(4))
    for training in of_run, of_ticket, of_nobody, damaged:
        store.put(training, a_result(training))
    flip(place_of(tmp_path, damaged) / WEIGHTS_FILE)
    write_document(
        tmp_path / "runs" / "a", f"tickets/rewind/l1-r0.50-n2-s1/{RUN_JSON}", training=of_run.digest
    )
    trained = digest_of_arrays(a_result(of_ticket).weights)
    rounds = json.loads((SCHEMA_1 / "masks/l1-r0.50-n2-s1" / TICKET_JSON).read_bytes())["sparsity"]
    rounds = [rounds[0] | {"trained": None}, rounds[1] | {"trained": trained}]
    write_document(tmp_path / "masks" / "b", f"masks/l1-r0.50-n2-s1/{TICKET_JSON}", sparsity=rounds)
    both = [tmp_path / "runs", tmp_path / "masks"]
    assert unreferenced(store, both) == sorted([of_nobody.digest, damaged.digest])
    assert unreferenced(store, both[:1]) == sorted(
        [of_ticket.digest, of_nobody.digest, damaged.digest]
    )
    assert len(list(store)) == 4
    (tmp_path / "masks" / "b" / TICKET_JSON).write_bytes(b"{")
    with pytest.raises(TicketError):
        unreferenced(store, both)
    with pytest.raises(RunError, match="nowhere: does not exist; name the folders"):
        unreferenced(store, [*both[:1], tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="empty: holds neither ticket nor run"):
        unreferenced(store, [tmp_path / "empty"])


LEASING = """
import sys
from pathlib import Path
from lthctl.artifacts.store import Store
with Store(Path(sys.argv[1])).leases() as leases:
    print(*[leases.take(digest) for digest in sys.argv[2:]], flush=True)
    sys.stdin.readline()
"""


@pytest.mark.long
def test_a_lease_is_one_process_s_until_that_ends(store: Store, tmp_path: Path) -> None:
    one, other = "0" * 64, "f" * 64

    def leasing(*digests: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", LEASING, str(tmp_path / ".lthctl"), *digests]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    with leasing(one) as first:
        assert first.stdout and first.stdout.readline() == "True\n"
        with store.leases() as leases:
            assert [leases.take(one), leases.take(other)] == [False, True]
            with leasing(one, other) as second:
                assert second.stdout and second.stdout.readline() == "False False\n"
                second.kill()
            leases.give_up(other)
            first.kill()
            first.wait()
            assert [leases.take(one), leases.take(other)] == [True, True]
    assert (tmp_path / ".lthctl" / "trainings" / LOCK_FILE).read_bytes() == b""


@pytest.mark.parametrize("fault", [OSError(37, "no locks"), BlockingIOError()])
def test_where_there_are_no_locks_everything_may_be_leased(
    store: Store, monkeypatch: pytest.MonkeyPatch, fault: OSError
) -> None:
    def lockf(*_: object) -> None:
        raise fault

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with store.leases() as leases:
        assert leases.take("0" * 64) is not isinstance(fault, BlockingIOError)


def test_a_store_that_cannot_be_written_may_be_leased(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with Store(tmp_path / "file").leases() as leases:
        assert leases.take("0" * 64)


@pytest.mark.slow
def test_ten_thousand_trainings(
    store: Store, training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    result = Result({"a": np.zeros(3, np.float32)}, a_result(training).history)
    digests = [sha256(str(number).encode()) for number in range(10_000)]
    for digest in digests:
        one = Training(training.model, {}, Mask({}), training.dataset, 1, training.params)
        vars(one)["digest"] = digest
        store.put(one, result)
    write_document(
        tmp_path / "runs" / "a", "tickets/rewind/l1-r0.50-n2-s1/run.json", training=digests[0]
    )
    flip(tmp_path / ".lthctl" / "trainings" / digests[1][:2] / digests[1] / WEIGHTS_FILE)
    began = time.process_time()
    assert len(list(store)) == 10_000
    assert [digest for digest, _ in check_store(tmp_path / ".lthctl").damaged] == [digests[1]]
    assert len(unreferenced(store, [tmp_path / "runs"])) == 9_998
    assert sum(map(store.size, digests[2:])) > 10**6
    assert time.process_time() - began < 60
