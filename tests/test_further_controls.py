"""Controls beside `rewind`, `reinit` and `shuffle`: what each keeps, and what it draws anew."""

import json
from pathlib import Path

import numpy as np
import pytest

from lthctl import load_run, load_ticket
from lthctl.artifacts.ticket import Ticket
from lthctl.errors import ParamsError, TicketError
from lthctl.lottery.controls import CONTROLS, apply_control
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.lottery.siblings import kind_of, siblings_of
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.reporting.answers import answers_of
from lthctl.reporting.answers_json import answers_json
from lthctl.reporting.page_data import group_data
from lthctl.reporting.survivors import Survivors
from lthctl.reporting.tables import report_files
from lthctl.seeding import Stream

from .command_line import lthctl, refusal
from .test_report import DENSE_TICKET, L1_TICKET, RANDOM_TICKET, group_of, make_run, report_of

MODEL = MLP((784, 10, 10))
LITTLE = TrainParams(steps=4, evaluate_every=2, batch_size=20, engine="torch", device="cpu")
NEW = ("reinit-signs", "random-ticket", "other-mask")


def found(dataset, seed: int, ratio: float = 0.5) -> Ticket:
    asked = {"method": "random", "ratio": ratio, "rounds": 1, "seed": seed, "train": LITTLE}
    return find_ticket(MODEL, dataset, **asked)


@pytest.fixture(scope="module")
def ticket(dataset) -> Ticket:
    return found(dataset, 3)


@pytest.fixture(scope="module")
def sibling(dataset) -> Ticket:
    return found(dataset, 4)


def test_signs_are_kept_and_magnitudes_are_fresh(ticket: Ticket) -> None:
    mask, start = apply_control(ticket, "reinit-signs", MODEL)
    drawn = MODEL.draw(Stream(3, "reinit-signs"))
    assert mask == ticket.mask
    for name, kept in mask.items():
        assert np.array_equal(np.signbit(start[name][kept]), np.signbit(ticket.init[name][kept]))
        assert np.array_equal(np.abs(start[name][kept]), np.abs(drawn[name][kept]))
        assert not np.array_equal(start[name][kept], drawn[name][kept])  # signs do differ
        assert not start[name][~kept].any()
        assert start[name].dtype == np.float32


def test_a_random_ticket_has_the_counts_of_every_layer_and_nothing_else(ticket: Ticket) -> None:
    mask, start = apply_control(ticket, "random-ticket", MODEL)
    drawn = MODEL.draw(Stream(3, "random-ticket"))
    for name, kept in ticket.mask.items():
        assert np.count_nonzero(mask[name]) == np.count_nonzero(kept)
        assert np.array_equal(start[name], np.where(mask[name], drawn[name], 0))
    assert mask != ticket.mask
    assert mask != apply_control(ticket, "shuffle", MODEL)[0]


def test_each_draw_of_a_random_ticket_has_another_mask(ticket: Ticket) -> None:
    masks = [apply_control(ticket, "random-ticket", MODEL, draw=draw)[0] for draw in (1, 2)]
    assert masks[0] != masks[1]


def test_the_mask_of_another_seed_is_on_its_own_weights(ticket: Ticket, sibling: Ticket) -> None:
    mask, start = apply_control(ticket, "other-mask", None, sibling=sibling)
    assert mask == sibling.mask != ticket.mask
    assert all(
        np.array_equal(start[name], np.where(mask[name], ticket.init[name], 0)) for name in mask
    )


def test_a_sibling_must_be_one(ticket: Ticket, sibling: Ticket, dataset) -> None:
    with pytest.raises(TicketError, match=r"random-r0\.50-n1-s3: .*needs the ticket of another"):
        apply_control(ticket, "other-mask", None)
    with pytest.raises(TicketError, match=r"and random-r0\.80-n1-s4 was not"):
        apply_control(ticket, "other-mask", None, sibling=found(dataset, 4, 0.8))
    with pytest.raises(TicketError, match="takes no ticket of another seed; leave it out"):
        apply_control(ticket, "reinit", MODEL, sibling=sibling)
    with pytest.raises(ParamsError, match="expects 1, as it draws no random numbers"):
        apply_control(ticket, "other-mask", None, sibling=sibling, draw=2)


def test_a_run_names_its_sibling_by_digest(ticket: Ticket, sibling: Ticket, dataset) -> None:
    run = retrain(ticket, dataset, control="other-mask", sibling=sibling, train=LITTLE)
    document = run.specification.to_json()
    assert document["sibling"] == sibling.digest
    assert run.specification.schema_number == 3
    assert "sibling" not in retrain(ticket, dataset, train=LITTLE).specification.to_json()


def test_the_seed_before_is_the_sibling_and_more_seeds_change_nothing(dataset) -> None:
    of_seeds = {seed: found(dataset, seed).specification for seed in (1, 2, 7)}
    assert siblings_of(of_seeds) == {1: 2, 2: 1, 7: 2}
    assert siblings_of({seed: of_seeds[seed] for seed in (1, 2)}) == {1: 2, 2: 1}
    other = found(dataset, 2, 0.8).specification
    assert siblings_of({1: of_seeds[1], 2: other}) == {}
    assert kind_of(of_seeds[1]) == kind_of(of_seeds[7]) != kind_of(other)


def test_they_are_told_apart() -> None:
    members = [CONTROLS.get(name) for name in CONTROLS.names()]
    for of in "words", "line", "marker":
        assert len({getattr(member, of) for member in members}) == len(members), of


# ---- the command line ----

SMALL = ("--steps", "4", "--quiet", "--jobs", "1")


@pytest.mark.long
def test_they_are_retrained_and_verified(tickets: Path) -> None:
    assert lthctl("retrain", "masks", "--control", ",".join(NEW), *SMALL).exit_code == 0
    assert {path.name for path in Path("runs").iterdir()} == set(NEW)
    run = load_run("runs/other-mask/l1-r0.50-n2-s1")
    assert run.specification.sibling == load_ticket("masks/l1-r0.50-n2-s2").digest
    checked = lthctl("verify", "runs", "masks", "--json")
    assert checked.exit_code == 0
    assert lthctl("verify", "runs/other-mask", "masks", "--replay").exit_code == 0
    alone = lthctl("verify", "runs/other-mask/l1-r0.50-n2-s1", "masks/l1-r0.50-n2-s1", "--json")
    assert "whose mask it took, is not at or below the paths" in alone.stdout
    # Again: all is there already.
    assert lthctl("retrain", "masks", "--control", ",".join(NEW), *SMALL).exit_code == 0


@pytest.mark.long
def test_run_finds_siblings_among_the_tickets_it_makes(workspace: Path) -> None:
    from lthctl.grid.grids import experiment_grid
    from lthctl.params import Params

    params = Params().override(
        {
            "prune.ratio": (0.5,),
            "prune.seed": (1, 2),
            "train.steps": 4,
            "model.layers": (784, 10, 10),
        }
    )
    grid = experiment_grid(params, control="other-mask", data="data/mnist")
    assert not grid.run(1).failed
    made = json.loads(Path("runs/run/other-mask/l1-r0.50-n1-s2/run.json").read_bytes())
    assert made["sibling"] == load_ticket("masks/run/l1-r0.50-n1-s1").digest
    again = experiment_grid(params, control="other-mask", data="data/mnist")
    assert not again.missing
    one = params.override({"prune.seed": (1,)})
    with pytest.raises(TicketError, match=r"such as dense-s2, and there is none"):
        experiment_grid(one, control="other-mask", data="data/mnist", name="other")


def test_a_missing_sibling_is_named(tickets: Path) -> None:
    assert refusal(3, "retrain", "masks/l1-r0.50-n2-s1", "--other-mask", "--quiet") == (
        "l1-r0.50-n2-s1: control other-mask needs the mask that another seed found, such as "
        "l1-r0.50-n2-s2, and there is none among the tickets given; find it, and give it too"
    )


# ---- the report ----


def runs_of(*controls: str) -> list:
    return [
        *(make_run(DENSE_TICKET, seed, 0.75) for seed in (1, 2)),
        *(make_run(L1_TICKET, seed, 0.75) for seed in (1, 2)),
        *(make_run(RANDOM_TICKET, seed, 0.5) for seed in (1, 2)),
        *(
            make_run(L1_TICKET, seed, 0.5 + 0.03125 * number, control=control)
            for number, control in enumerate(controls)
            for seed in (1, 2)
        ),
    ]


def test_every_control_is_beside_its_ticket(tmp_path: Path) -> None:
    group = group_of(tmp_path, *runs_of("reinit", *NEW))
    which = answers_of(group).weights_or_mask
    assert which is not None
    assert list(which.others) == list(NEW)
    expected = {name: 0.25 - 0.03125 * (number + 1) for number, name in enumerate(NEW)}
    assert {name: one.difference.mean for name, one in which.others.items()} == expected
    assert which.shuffle.difference is None
    assert which.random.difference.mean == 0.25
    document = answers_json(group)["weights_or_mask"]
    assert {name: document[name]["difference"]["mean"] for name in NEW} == expected
    shown = group_data(group, Survivors((), (), (), ()), 1)["experiments"]
    (ticket,) = [one for one in shown if (one["control"], one["method"]) == ("rewind", "l1")]
    assert set(ticket["against"]) == {"reinit", *NEW, "random"}
    for name in NEW:
        assert ticket["against"][name]["difference"]["mean"] == expected[name]


def test_tables_have_them_where_they_were_run_and_else_what_they_had(tmp_path: Path) -> None:
    def header(*controls: str) -> list[str]:
        files = report_files(report_of(tmp_path / "-".join(controls), *runs_of(*controls)))
        return files["verdicts.csv"].decode().splitlines()[0].split(",")

    before, after = header("reinit"), header("reinit", "random-ticket")
    more = [name for name in after if name not in before]
    assert [name for name in after if name in before] == before
    assert more[0] == "random-ticket_verdict"
    assert not any(name.partition("_")[0] in NEW for name in before)
