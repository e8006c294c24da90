"""The source of one's own code is part of a training's identity."""

import hashlib
import py_compile
import sys
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

import pytest

from lthctl.datasets.base import Dataset
from lthctl.families import (
    ENGINES,
    MODELS,
    OPTIMIZERS,
    SCORES,
    Family,
    trust,
)
from lthctl.families.own_code import digest_of, module_of
from lthctl.mask import Mask
from lthctl.models.entry import model_from
from lthctl.params import ModelParams, TrainParams
from lthctl.seeding import Stream
from lthctl.training.spec import Training

from .test_families import ASKED, documents, done, forget, refusal
from .test_own_models_and_data import NETS, with_model
from .test_own_scores_and_controls import CONTROLS_OF_ONES_OWN, TAYLOR
from .test_own_training import ENGINE_OF_ONES_OWN, OPTIMIZERS_OF_ONES_OWN, with_parameters

pytestmark = pytest.mark.usefixtures("families_as_before")


@pytest.mark.parametrize(
    ("family", "key", "name", "source"),
    [
        (OPTIMIZERS, "optimizer", "own_optimizers:shaky", OPTIMIZERS_OF_ONES_OWN),
        (ENGINES, "engine", "own_engines:ENGINE", ENGINE_OF_ONES_OWN),
    ],
    ids=["optimizer", "engine"],
)
def test_another_source_is_another_training(
    here: Path, make_training: Any, family: Family[Any], key: str, name: str, source: str
) -> None:
    def digest(text: str) -> str:
        (here / f"{name.partition(':')[0]}.py").write_text(text)
        forget(family, name)
        family.get(name)
        return str(make_training(**{key: name}).digest)

    trust(name)
    first = digest(source)
    assert digest(source + "# changed\n") != first
    assert digest(source) == first


def test_another_source_of_a_model_is_another_training(here: Path, dataset: Dataset) -> None:
    name = "own_nets:Narrow"

    def digest(text: str) -> str:
        (here / "own_nets.py").write_text(text)
        forget(MODELS, name)
        model = model_from(ModelParams(name=name))
        mask = Mask.full(model.prunable(biases=True))
        params = TrainParams(engine="torch", device="cpu")
        start = model.draw(Stream(1, "init"))
        return Training(model, start, mask, dataset, 1, params).digest

    trust(name)
    first = digest(NETS)
    assert digest(NETS + "# changed\n") != first
    assert digest(NETS) == first


def test_the_sources_of_what_is_built_in_are_in_no_digest(make_training: Any) -> None:
    assert make_training().sources == {}


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.long
def test_tickets_and_runs_say_which_code_they_came_from(workspace: Path) -> None:
    scores, nets = workspace / "own_scores.py", workspace / "own_nets.py"
    controls, optimizers = workspace / "own_controls.py", workspace / "own_optimizers.py"
    scores.write_text(TAYLOR)
    nets.write_text(NETS)
    controls.write_text(CONTROLS_OF_ONES_OWN)
    optimizers.write_text(OPTIMIZERS_OF_ONES_OWN)
    with_model(workspace, "model: own_nets:Narrow\n")
    with_parameters(workspace, "  optimizer: own_optimizers:shaky\n")
    done("prune", "--method", "own_scores:taylor", *ASKED)
    done("prune", "--method", "random", *ASKED)
    done("retrain", "masks", "--control", "own_controls:noise", "--quiet")
    code = {
        "own_nets:Narrow": sha256_of(nets),
        "own_optimizers:shaky": sha256_of(optimizers),
        "own_scores:taylor": sha256_of(scores),
    }
    mine, random = documents("masks", "ticket.json")
    assert (mine["sources"], mine["schema"]) == (code, 2)
    assert random["sources"] == {"own_nets:Narrow": sha256_of(nets)}
    run = documents("runs", "run.json")[0]
    assert run["sources"] == {**code, "own_controls:noise": sha256_of(controls)}
    assert "1 there already" in done("prune", "--method", "random", *ASKED[:-1]).stderr

    # With another score the ticket is another one; the trainings before the first pruning are not.
    scores.write_text(TAYLOR.replace("np.abs", "-np.abs"))
    forget(SCORES, "own_scores:taylor")
    assert "holds something else" in refusal(
        "prune", "--method", "own_scores:taylor", *ASKED, code=3
    )
    done("prune", "--method", "own_scores:taylor", *ASKED, "--force")
    (other, _) = documents("masks", "ticket.json")
    assert other["sources"] == {**code, "own_scores:taylor": sha256_of(scores)}
    assert other["digest"] != mine["digest"]

    # A ticket is of one version of its network.
    nets.write_text(NETS + "# changed\n")
    forget(MODELS, "own_nets:Narrow")
    text = refusal("retrain", "masks", "--out", "others", code=3)
    old, new = code["own_nets:Narrow"][:12], sha256_of(nets)[:12]
    assert (
        f"was found with another version of own_nets:Narrow (SHA-256 {old}..., here {new}...); "
        "restore that file, or find the ticket again"
    ) in text


def test_what_is_built_in_names_no_sources(workspace: Path) -> None:
    done("prune", "--method", "l1", *ASKED)
    done("retrain", "masks", "--quiet")
    for document in (*documents("masks", "ticket.json"), *documents("runs", "run.json")):
        assert "sources" not in document and document["schema"] == 1


def test_what_runs_is_the_source_that_the_digest_is_of(here: Path) -> None:
    """Compiled code whose kind is never compared with its source lies beside another source."""
    source, name = here / "own_compiled.py", "own_compiled:answer"
    source.write_text("answer = 'another'\n")
    py_compile.compile(str(source), invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    source.write_text("answer = 'its own'\n")
    trust(name)
    try:
        module = module_of("score", name)
    finally:
        sys.modules.pop("own_compiled", None)
    assert vars(module)["answer"] == "its own"
    assert digest_of("score", name, module) == hashlib.sha256(source.read_bytes()).hexdigest()
