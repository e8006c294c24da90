"""The readers that `tests.guided` gives changed files to, and the files that it changes.

lthctl is imported in here as late as that: what is imported must be watched from the start.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"

Files = dict[str, bytes]


@dataclass(frozen=True)
class Reader:
    """A file that is changed, in a folder whose other files stay.

    Attributes:
      originals: a folder's files, which are read without complaint.
      changed: the name of the file to be changed.
      document: the document that names the file by its digest, if one does.
      read: reads the folder, and gives the files that would be written again, if any.
    """

    originals: Files
    changed: str
    document: str | None
    read: Callable[[Path], Files]


def readers() -> dict[str, Reader]:
    """Name -> reader."""
    return {**_artifacts(), **_store(), **_settings(), **_made_elsewhere(), **_datasets()}


def _files_of(folder: Path) -> Files:
    """Path from the folder -> bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_size
    }


def _of_folder(
    kind: str, files: Files, document: str, read: Callable[[Path], Files]
) -> dict[str, Reader]:
    """A reader for every file of a folder, whose document names the others."""
    return {f"{kind}/{name}": Reader(files, name, document, read) for name in files}


def _one_file(
    kind: str, files: Files, read: Callable[[Path], object], only: str | None = None
) -> dict[str, Reader]:
    """A reader for every file of a folder in which nothing names another, or for one of them."""

    def read_it(folder: Path) -> Files:
        read(folder)
        return {}

    names = files if only is None else [only]
    return {f"{kind}/{name}": Reader(files, name, None, read_it) for name in names}


def _artifacts() -> dict[str, Reader]:
    """Folders of lthctl's own, of which others may be the authors."""
    from lthctl.artifacts.connection_folder import ConnectionFolder
    from lthctl.artifacts.run import load_run
    from lthctl.artifacts.ticket import load_ticket
    from tests.test_report import L1_TICKET, make_run
    from tests.test_stability import connection_of, copy_of

    def ticket(folder: Path) -> Files:
        return load_ticket(folder).files()

    def run(folder: Path) -> Files:
        return load_run(folder).files()

    def connection(folder: Path) -> Files:
        return ConnectionFolder(folder).connection.files()

    made = {}
    schema_1, schema_3 = FIXTURES / "schema-1", FIXTURES / "schema-3"
    for kind, pattern, read in (
        ("ticket", schema_1.glob("masks/*/ticket.json"), ticket),
        ("run", schema_1.glob("tickets/*/*/run.json"), run),
        ("network", schema_3.glob("networks/**/ticket.json"), ticket),
        ("new run", schema_3.glob("runs/**/run.json"), run),
    ):
        for document in sorted(pattern)[:1]:
            made |= _of_folder(kind, _files_of(document.parent), document.name, read)
    one = make_run(L1_TICKET, [0.1, 0.2])
    joined = connection_of(one, copy_of(one, 7), [0.1, 0.5, 0.1])
    return made | _of_folder("connection", joined.files(), "connection.json", connection)


def _store() -> dict[str, Reader]:
    """What lies in a store, which may have come with a clone."""
    import os
    import tempfile

    from lthctl.artifacts.checkpoints import CheckpointStore
    from lthctl.artifacts.store import Store
    from lthctl.artifacts.store_maker import mark_as_own, marked_as_own
    from lthctl.cluster.jobs_file import read_jobs, write_jobs
    from lthctl.errors import LthctlError
    from lthctl.training.checkpoints import Checkpoint
    from lthctl.training.history import Result, Row
    from tests.fuzz import TRAINING

    rows = tuple(Row(step, 1.5, 1.25, 0.5) for step in (8, 16, 20))

    def made(make: Callable[[Path], object]) -> Files:
        with tempfile.TemporaryDirectory() as place:
            make(Path(place))
            return _files_of(Path(place))

    def at_home(folder: Path, function: Callable[[Path], object]) -> object:
        before = os.environ.get("XDG_STATE_HOME", "")
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        try:
            return function(folder)
        finally:
            os.environ["XDG_STATE_HOME"] = before

    def expect(found: object) -> None:
        if not found:
            raise LthctlError("absent")

    entry = made(lambda place: Store(place).put(TRAINING, Result(TRAINING.start, rows)))
    document = next(name for name in entry if name.endswith(".json"))

    def training(folder: Path) -> Files:
        expect(Store(folder).get(TRAINING))
        return {document: (folder / document).read_bytes()}

    state = {f"weights/{name}": array for name, array in TRAINING.start.items()}
    checkpoint = Checkpoint(8, rows[:1], state)
    return {
        **_of_folder("training", entry, document, training),
        **_one_file(
            "store",
            made(lambda place: at_home(place, mark_as_own)),
            lambda folder: expect(at_home(folder, marked_as_own)),
            "maker.json",
        ),
        **_one_file(
            "plan",
            made(lambda place: write_jobs(place, "slurm", ["1", "2"])),
            lambda folder: expect(read_jobs(folder)),
        ),
        **_one_file(
            "checkpoint",
            made(lambda place: CheckpointStore(place, 0).write(TRAINING, checkpoint)),
            lambda folder: expect(CheckpointStore(folder, 0).read(TRAINING)),
        ),
    }


def _settings() -> dict[str, Reader]:
    """What a person writes, or a stranger in a person's place."""
    from lthctl.cluster import settings
    from lthctl.cluster.plan_file import read_plan
    from lthctl.interop.layouts import find_files
    from lthctl.params import Params
    from lthctl.params_file import load_params
    from lthctl.reporting.claims_file import load_claims

    presets = Path(load_params.__code__.co_filename).parent / "presets"
    layouts = Path(find_files.__code__.co_filename).parent / "layout_files"

    def cluster(folder: Path) -> None:
        before, settings.settings_file = settings.settings_file, lambda: folder / "cluster.toml"
        try:
            settings.read_settings({})
        finally:
            settings.settings_file = before

    def plan(folder: Path) -> None:
        read = read_plan(folder / "plan.json")
        read.check_versions()
        Params.model_validate(read.said.params)

    return {
        **_one_file(
            "settings",
            {"params.yaml": (FIXTURES.parents[1] / "params.yaml").read_bytes()},
            lambda folder: load_params(folder / "params.yaml"),
        ),
        **_one_file(
            "claims",
            {"claims.yaml": (presets / "paper" / "claims.yaml").read_bytes()},
            lambda folder: load_claims(folder / "claims.yaml"),
        ),
        **_one_file("cluster", {"cluster.toml": CLUSTER}, cluster),
        **_one_file("work", {"plan.json": _plan()}, plan),
        **_one_file(
            "layout",
            {
                "open_lth.yaml": (layouts / "open_lth.yaml").read_bytes(),
                "level_0/main/mask.pth": b"",
                "level_0/main/hparams.log": b"pruning_fraction => 0.2",
            },
            lambda folder: find_files(folder, str(folder / "open_lth.yaml")),
            "open_lth.yaml",
        ),
    }


CLUSTER = b"""[slurm]
partition = "cpu"
account = "my-group"
time = "1-04:00:00"
cores = 8
gpus = 1
array = 20
memory = "16GB"
setup = ["module load python"]
python = "/usr/bin/python3"
gres = "gpu:a100:1"
"""


def _plan() -> bytes:
    """The plan of a grid."""
    import os
    import tempfile

    from lthctl.cluster.plan_file import write_plan
    from lthctl.grid.asked import Asked
    from lthctl.params import Params

    with tempfile.TemporaryDirectory() as place:
        arguments = {"data": None, "out": "masks"}
        plan = write_plan(Asked("ticket_grid", Params(), arguments), Path(place, "store"))
        content = plan.path.read_bytes()
        place_here = os.path.relpath(os.path.realpath("."), os.path.realpath(plan.place))
        return content.replace(place_here.encode(), b"../../..")


def _made_elsewhere() -> dict[str, Reader]:
    """Files of tensors, as other programs write them."""
    from lthctl.interop.importing import import_ticket
    from lthctl.interop.network_file import read_network
    from lthctl.models.mlp import MLP

    made = {}
    for name, content in _files_of(FIXTURES / "checkpoints").items():
        for kind, read in (
            ("import", lambda path: import_ticket(path, model=MLP((6, 4, 3)))),
            ("audit", read_network),
        ):
            made |= _one_file(
                kind, {name: content}, lambda folder, name=name, read=read: read(folder / name)
            )
    for name, content in _of_numpy().items():
        made |= _one_file(
            "audit", {name: content}, lambda folder, name=name: read_network(folder / name)
        )
    return made


def _of_numpy() -> Files:
    import io
    import pickle

    import numpy as np

    weight = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
    arrays = {"layers.0.weight": weight, "layers.0.weight_mask": weight > 0}
    one, several = io.BytesIO(), io.BytesIO()
    np.save(one, weight)
    np.savez(several, **arrays)
    pickled = pickle.dumps(list(arrays.values()), protocol=2)
    return {"one.npy": one.getvalue(), "several.npz": several.getvalue(), "list.pkl": pickled}


def _datasets() -> dict[str, Reader]:
    """Files of images; their digests are those of the changed ones, or all would end there."""
    from lthctl.datasets import mnist
    from lthctl.datasets.image_folder import _pixels
    from tests import fuzz_datasets as datasets
    from tests.fuzz import digits

    made = {}
    for kind, files, read in (
        ("npz", datasets.arrays()[0], datasets.read_arrays),
        ("packed npz", datasets.arrays()[1], datasets.read_arrays),
        ("cifar", datasets.records()[0], datasets.read_records),
        ("emnist", datasets.letters()[0], datasets.read_letters),
        ("svhn", datasets.house_numbers()[0], datasets.read_house_numbers),
        ("packed svhn", datasets.house_numbers()[1], datasets.read_house_numbers),
        ("mnist", digits()[0], lambda folder: datasets.open_trusted(mnist.FILES, folder)),
    ):
        made |= _one_file(kind, files, read)
    for files in datasets.pictures():
        name, content = next(iter(files.items()))
        name = name.rpartition("/")[2]
        made |= _one_file(
            "picture", {name: content}, lambda folder, name=name: _pixels(folder / name)
        )
    return made
