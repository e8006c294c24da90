"""Trainings whose length is said in epochs are trainings of so many steps, by all names."""

from pathlib import Path

import pytest

from lthctl.artifacts.run import load_run
from lthctl.artifacts.ticket import load_ticket
from lthctl.errors import ParamsError
from lthctl.grid.grids import run_grid, ticket_grid
from lthctl.params import Params, TrainParams, TrainSection
from lthctl.params_file import load_params

from .command_line import lthctl, refusal
from .test_disk import tree

DATA = Path("data/mnist")  # 600 images to train on


def test_steps_are_rounded_up_so_that_every_image_is_seen() -> None:
    section = TrainSection(epochs=2, batch_size=64)
    assert section.for_images(50_000).steps == 1563
    assert section.for_images(64).steps == 2
    assert section.for_images(64, 32).steps == 4
    assert type(section.for_images(64)) is TrainParams
    assert section.for_images(64).model_fields_set == {"steps", "batch_size"}
    plain = TrainSection(steps=7, lr=0.1)
    assert plain.for_images(0) == TrainParams(steps=7, lr=0.1)
    assert plain.for_images(0).model_fields_set == {"steps", "lr"}


def test_both_are_refused_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("train:\n  steps: 3\n  epochs: 2\n")
    with pytest.raises(ParamsError) as failure:
        load_params(file)
    assert str(failure.value) == (
        f"{file}:1:1: train: gives both steps and epochs; leave one of them out"
    )


def test_a_flag_for_one_takes_the_place_of_the_other() -> None:
    params = Params().override({"train.epochs": 5})
    assert (params.train.epochs, "steps" in params.train.model_fields_set) == (5, False)
    again = params.override({"train.steps": 30})
    assert (again.train.epochs, again.train.steps) == (None, 30)
    assert again.override({"train.epochs": 2}).train.epochs == 2
    with pytest.raises(ParamsError, match="gives both steps and epochs; leave one of them out"):
        params.override({"train.epochs": 2, "train.steps": 3})


def test_tickets_and_runs_are_those_of_the_steps(workspace: Path) -> None:
    params = load_params(Path("params.yaml")).override(
        {"prune.method": "l1", "prune.ratio": 0.5, "prune.rounds": 1, "prune.seed": 1}
    )
    for name, flags in ("steps", {"train.steps": 20}), ("epochs", {"train.epochs": 2}):
        said = params.override(flags)
        ticket_grid(said, data=DATA, out=f"masks-{name}", store=name).run(1)
        run_grid([f"masks-{name}"], params=said, data=DATA, out=f"runs-{name}", store=name).run(1)
    for top in "masks", "runs":
        assert tree(Path(f"{top}-steps")) == tree(Path(f"{top}-epochs"))
    assert sorted(path.name for path in Path("steps/trainings").rglob("????*")) == sorted(
        path.name for path in Path("epochs/trainings").rglob("????*")
    )
    [ticket] = Path("masks-epochs").iterdir()
    found = load_ticket(ticket).train
    assert found is not None and found.steps == 20


def test_a_retraining_counts_in_the_batches_of_its_ticket(workspace: Path) -> None:
    Path("params.yaml").write_text("model:\n  layers: [784, 20, 12, 10]\n")
    words = ("--seed", "1", "--method", "l1", "--ratio", "0.5", "--quiet")
    assert lthctl("prune", *words, "--batch-size", "30", "--steps", "10").exit_code == 0
    assert lthctl("retrain", "masks", "--set", "train.epochs=1", "--quiet").exit_code == 0
    [run] = [load_run(path.parent) for path in Path("runs").rglob("run.json")]
    assert (run.train.batch_size, run.train.steps) == (30, 20)


def test_the_command_line_refuses_both(workspace: Path) -> None:
    said = refusal(2, "prune", "--steps", "3", "--set", "train.epochs=2")
    assert said.endswith("gives both steps and epochs; leave one of them out")
