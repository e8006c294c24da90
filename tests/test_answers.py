"""The three answers, and the ladders and steps to target below them; runs are made by hand."""

import csv
import io
import json
from pathlib import Path

import pytest

from lthctl.artifacts.run import Run
from lthctl.params import ReportParams
from lthctl.reporting.answer_files import answer_files
from lthctl.reporting.answers import answers_of, asked_ladder, asked_ticket
from lthctl.reporting.answers_json import answer_metrics
from lthctl.reporting.experiments import ExperimentKey
from lthctl.reporting.ladders import Ladder, LadderKey, ladders_of
from lthctl.reporting.sentences import sentences_of
from lthctl.reporting.targets import Target, arrivals_of, targets_of
from lthctl.reporting.unknowns import unknowns_of
from lthctl.reporting.verdicts import Group
from lthctl.training.history import Row

from .test_report import (
    DENSE_TICKET,
    MODEL,
    TRAIN,
    group_of,
    make_run,
    replicates,
    report_of,
)

MOST_WORDS = 29
DENSE = [0.980, 0.981, 0.982]
AS_GOOD = [0.0001, -0.0001, 0.0]  # t of the margin is 35 with 2 degrees of freedom: p .0004
UNSURE = [-0.003, 0.001, -0.001]  # mean -.001, error .00115: p .24
WORSE = [-0.010, -0.011, -0.012]  # t beyond the margin is 15.6: p .002
BETTER = [0.010, 0.011, 0.012]

HALF, FIFTH, TENTH = ("l1", 0.5, 5), ("l1", 0.8, 5), ("l1", 0.9, 5)
RANDOM_FIFTH = ("random", 0.8, 5)


def runs_of(ticket: tuple[str, float, int], less: list[float], **same: object) -> list[Run]:
    """Runs of seeds 1, 2, 3 that differ from dense by so much."""
    bests = [base + more for base, more in zip(DENSE, less, strict=False)]
    return replicates(ticket, bests, **same)


def curve(*arrives: int | None, seed_best: float = 0.98) -> list[tuple[Row, ...]]:
    """Histories of ten evaluations, a run each, that reach 97 % at these steps, or never."""
    return [
        tuple(
            Row(
                step, 1.5, 0.25 if step == 20 else 0.5,
                seed_best if at is not None and step >= at else 0.9,
            )
            for step in range(10, 110, 10)
        )
        for at in arrives
    ]  # fmt: skip


LONG = {**TRAIN, "steps": 100}


def arriving(
    ticket: tuple[str, float, int], *arrives: int | None, control: str = "rewind"
) -> list[Run]:
    return [
        make_run(ticket, seed, control=control, history=history, train=LONG)
        for seed, history in enumerate(curve(*arrives), start=1)
    ]


def ladder_of(group: Group, method: str = "l1", control: str = "rewind") -> Ladder:
    return {ladder.key: ladder for ladder in ladders_of(group)}[LadderKey(method, 5, control)]


def ratio_of(ladder: Ladder) -> float | None:
    return ladder.smallest.key.ratio if ladder.smallest else None


def said_of(group: Group) -> tuple[str, ...]:
    said = sentences_of(answers_of(group))
    for sentence in said:
        words = [word for word in sentence.split() if any(map(str.isalnum, word))]
        assert len(words) <= MOST_WORDS, sentence
    return said


def unknown_in(group: Group) -> list[str]:
    return [str(one) for one in unknowns_of(answers_of(group))]


# --- ladders


def test_a_ladder_goes_from_the_densest_ticket_to_the_first_that_fails(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(TENTH, AS_GOOD) + runs_of(HALF, AS_GOOD)
    ladder = ladder_of(group_of(tmp_path, *runs, *runs_of(FIFTH, WORSE)))
    assert [size.key.ratio for size in ladder.sizes] == [0.5, 0.8, 0.9]
    assert (ratio_of(ladder), ladder.stopped, ladder.seeds) == (0.5, "worse", None)
    assert ladder.next is not None and ladder.next.key.ratio == 0.8


def test_a_ladder_that_holds_to_its_end(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(HALF, AS_GOOD) + runs_of(FIFTH, BETTER)
    ladder = ladder_of(group_of(tmp_path, *runs))
    assert (ratio_of(ladder), ladder.stopped, ladder.next) == (0.8, "at its end", None)


def test_a_size_of_which_nothing_is_known_says_what_it_would_take(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(HALF, AS_GOOD) + runs_of(FIFTH, UNSURE)
    ladder = ladder_of(group_of(tmp_path, *runs))
    # 1.645 + .842 standard errors of .002 are .001 at n = 24.7; a few more for Student's t
    assert (ratio_of(ladder), ladder.stopped, ladder.seeds) == (0.5, "unknown", 27)


def test_a_size_without_a_dense_run_of_its_seeds_is_left_out(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(FIFTH, AS_GOOD)
    group = group_of(tmp_path, *runs, make_run(HALF, 9))
    assert [size.key.ratio for size in ladder_of(group).sizes] == [0.8]


@pytest.mark.parametrize("company", ["random", "reinit", "both"])
def test_what_is_said_of_a_ticket_does_not_change_with_its_company(
    tmp_path: Path, company: str
) -> None:
    """p is .04: it holds alone, and would not if a control's ladder took half of the error."""
    mean = -0.002 + 3.1 * 0.0005 / 3**0.5 * 1.0
    alone = runs_of(DENSE_TICKET, [0, 0, 0])
    alone += runs_of(FIFTH, [mean - 0.0005, mean, mean + 0.0005])
    others = []
    if company != "reinit":
        others += runs_of(RANDOM_FIFTH, WORSE)
    if company != "random":
        others += runs_of(FIFTH, WORSE, control="reinit")
        others += runs_of(FIFTH, WORSE, control="shuffle")
    first = group_of(tmp_path / "alone", *alone)
    second = group_of(tmp_path / "company", *alone, *others)
    judged = [
        (one.num_held, one.stopped, one.level, one.seeds, [size.difference for size in one.sizes])
        for one in (ladder_of(first), ladder_of(second))
    ]
    assert judged[0] == judged[1]
    assert ratio_of(ladder_of(first)) == 0.8


def test_a_run_too_short_to_tell_is_no_win(tmp_path: Path) -> None:
    """All dense runs have their lowest loss at the end; the ticket is as accurate as they are."""
    runs = runs_of(DENSE_TICKET, [0, 0, 0], stops=[30, 30, 20])
    group = group_of(tmp_path, *runs, *runs_of(FIFTH, AS_GOOD), *runs_of(RANDOM_FIFTH, WORSE))
    ladder = ladder_of(group)
    assert (ratio_of(ladder), ladder.stopped) == (None, "too short to tell")
    first, _, third = said_of(group)
    assert first == (
        "Too short to tell how far down l1 tickets of 5 rounds keep up: 2 of 3 dense runs still "
        "improve at the end."
    )
    assert third.startswith("Too short to tell: at 20 % of the weights, accuracy is +1.10 points")
    assert unknown_in(group)[0] == (
        "In 2 of 3 dense runs the validation loss is lowest at the last evaluation. To be as good "
        "as these is no win. Train longer. Type: lthctl prune --steps 60 --out masks-60 && lthctl "
        "retrain masks-60 --steps 60 --out runs-60"
    )
    assert not {"keeps_up_percent", "above_random"} & answer_metrics(group).keys()


def test_half_of_the_dense_runs_still_improving_is_not_most(tmp_path: Path) -> None:
    runs = replicates(DENSE_TICKET, [0.98, 0.981], stops=[30, 20])
    assert not answers_of(group_of(tmp_path, *runs, *runs_of(FIFTH, [0, 0]))).too_short


# --- steps to target


def test_targets_are_those_of_the_parameters_and_that_of_dense(tmp_path: Path) -> None:
    params = ReportParams(targets=(0.9, 0.98, 0.9))
    group = group_of(tmp_path, *runs_of(DENSE_TICKET, [0, 0, 0]), params=params)
    assert targets_of(group) == (Target(0.9), Target(0.98), Target(None))
    assert [target.name for target in targets_of(group)] == ["0.9", "0.98", "dense"]


def test_the_target_of_dense_is_that_of_the_same_seed(tmp_path: Path) -> None:
    runs = [make_run(DENSE_TICKET, 1, 0.75), make_run(DENSE_TICKET, 2, 0.5)]
    runs += [make_run(FIFTH, 1, 0.748), make_run(FIFTH, 2, 0.4979), make_run(FIFTH, 3, 0.9)]
    group = group_of(tmp_path, *runs)
    ticket = group.experiment(ExperimentKey("rewind", *(FIFTH[0], FIFTH[2], FIFTH[1])))
    assert ticket is not None
    found = arrivals_of(group, ticket, Target(None))
    # within .002 of .75, not of .5; the third seed has no dense run
    assert {seed: one.step for seed, one in found.arrivals.items()} == {1: 20, 2: None}
    assert (found.num_arrived, found.mean_steps) == (1, None)


def test_tickets_learn_sooner(tmp_path: Path) -> None:
    runs = arriving(DENSE_TICKET, 40, 60, 80) + arriving(FIFTH, 20, 30, 40)
    runs += arriving(FIFTH, 60, 80, None, control="reinit")
    _, second, _ = said_of(group_of(tmp_path, *runs))
    # all ratios are 2; rounding to 10 steps is 10 / sqrt(12) * hypot(1/20, 1/40) on the logarithm
    assert second == (
        "At 20 % of the weights, tickets reach 97 % accuracy 2.00 times sooner than dense (1.34 "
        "to 2.99, n 3), over 2.71 times sooner than reinitialized (1 of 3 never)."
    )


def test_later_is_not_called_sooner(tmp_path: Path) -> None:
    runs = arriving(DENSE_TICKET, 20, 30, 40) + arriving(FIFTH, 60, 90, None)
    group = group_of(tmp_path, *runs)
    assert said_of(group)[1] == (
        "At 20 % of the weights, tickets reach 97 % accuracy over 2.82 times later than dense (1 "
        "of 3 never)."
    )
    assert "1 of 3 tickets and 0 of 3 dense runs never get there." in " ".join(unknown_in(group))
    assert "times_sooner" not in answer_metrics(group)


def test_an_interval_that_holds_1_is_no_win(tmp_path: Path) -> None:
    # logarithms of the ratios: mean .192, deviation .556; (1.96 + .842) ** 2 / .345 ** 2 is 66
    runs = arriving(DENSE_TICKET, 20, 60, 80) + arriving(FIFTH, 30, 30, 60)
    group = group_of(tmp_path, *runs)
    assert said_of(group)[1].startswith("Not known to be sooner: at 20 % of the weights, tickets")
    assert [one for one in unknown_in(group) if "sooner than dense" in one] == [
        "Whether tickets reach 97 % accuracy sooner than dense. 68 seeds in all would tell, at a "
        "power of 80 %. Type: lthctl prune --method l1 --ratio 0,0.8 --rounds 5 --seed 1-68 "
        "--steps 100 && lthctl retrain masks --steps 100"
    ]


def test_a_target_that_nobody_reaches(tmp_path: Path) -> None:
    runs = arriving(DENSE_TICKET, None, None) + arriving(FIFTH, None, None)
    group = group_of(tmp_path, *runs)
    assert said_of(group)[1] == (
        "At 20 % of the weights, 2 of 2 tickets and 2 of 2 dense runs never reach 97 % accuracy."
    )
    assert (
        "Steps to 97 % accuracy: 2 of 2 tickets and 2 of 2 dense runs never get there. Set "
        "report.targets in params.yaml to what dense runs reach." in unknown_in(group)
    )


def test_a_target_that_all_reach_at_the_first_evaluation(tmp_path: Path) -> None:
    runs = arriving(DENSE_TICKET, 10, 10) + arriving(FIFTH, 10, 10)
    group = group_of(tmp_path, *runs)
    assert said_of(group)[1] == (
        "Tickets and dense both reach 97 % accuracy at the first evaluation (n 2): evaluate more "
        "often to tell which is sooner."
    )
    assert (
        "Steps to 97 % accuracy: all get there within the first 10 steps. Set "
        "train.evaluate_every in params.yaml to fewer." in unknown_in(group)
    )


# --- answers


def test_three_answers(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(HALF, AS_GOOD) + runs_of(FIFTH, AS_GOOD)
    runs += runs_of(TENTH, UNSURE) + runs_of(FIFTH, WORSE, control="reinit")
    runs += runs_of(("random", 0.5, 5), AS_GOOD) + runs_of(RANDOM_FIFTH, WORSE)
    group = group_of(tmp_path, *runs)
    first, _, third = said_of(group)
    assert first == (
        "l1 tickets of 5 rounds are as good as dense down to 20 % of the weights (+0.00 points, "
        "-0.02 to +0.02, n 3); reinitialized nowhere, random 50 %."
    )
    assert third == (
        "Weights and mask both count: at 20 % of the weights, accuracy is +1.10 points against "
        "reinitialized (+0.86 to +1.34), +1.10 points against random (+0.86 to +1.34), n 3."
    )
    assert unknown_in(group)[0] == (
        "Whether 10 % of the weights is as good as dense (-0.10 points, -0.60 to +0.40, n 3). 27 "
        "seeds in all would tell, at a power of 80 %. Type: lthctl prune --method l1 --ratio 0,0.9 "
        "--rounds 5 --seed 1-27 --steps 30 && lthctl retrain masks --steps 30"
    )
    metrics = answer_metrics(group)
    assert (metrics["keeps_up_percent"], metrics["above_reinit"]) == (20.0, 1.1)


def test_the_mask_alone(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(FIFTH, AS_GOOD)
    runs += runs_of(FIFTH, UNSURE, control="reinit") + runs_of(RANDOM_FIFTH, WORSE)
    group = group_of(tmp_path, *runs)
    assert said_of(group)[2].startswith("The mask counts: at 20 % of the weights")
    (unknown,) = [one for one in unknown_in(group) if "fresh weights" in one]
    assert unknown.endswith(
        "&& lthctl retrain masks --steps 30 && lthctl retrain masks --control reinit --steps 30"
    )


def test_a_control_that_does_better(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(FIFTH, AS_GOOD)
    runs += runs_of(FIFTH, BETTER, control="reinit")
    assert said_of(group_of(tmp_path, *runs))[2].startswith("Not what the hypothesis says: at")


def test_missing_controls_say_what_makes_them(tmp_path: Path) -> None:
    group = group_of(tmp_path, *runs_of(DENSE_TICKET, [0, 0, 0]), *runs_of(FIFTH, AS_GOOD))
    first, _, third = said_of(group)
    assert first.endswith("; reinitialized untested, random untested.")
    assert third == (
        "Whether it is the weights or the mask is unknown: no control of 20 % of the weights was "
        "trained."
    )
    assert unknown_in(group)[-2:] == [
        "What the same mask with fresh weights reaches at 20 % of the weights is unknown. Type: "
        "lthctl retrain masks --control reinit --steps 30",
        "What random pruning reaches at 20 % of the weights is unknown. Type: lthctl prune "
        "--method random --ratio 0.8 --rounds 5 --seed 1-3 --steps 30 && lthctl retrain masks --steps 30",
    ]


def test_no_dense_run(tmp_path: Path) -> None:
    group = group_of(tmp_path, *runs_of(FIFTH, AS_GOOD))
    first, second, _ = said_of(group)
    assert first == (
        "There is no dense run, so nothing shows how far down l1 tickets of 5 rounds keep up."
    )
    assert second == (
        "How much sooner tickets reach 97 % accuracy is unknown: no dense run has their seeds."
    )
    assert unknown_in(group)[0] == (
        "Nothing can be compared with dense, as no dense run has the seeds of these tickets. "
        "Type: lthctl prune --ratio 0 --seed 1-3 --steps 30 && lthctl retrain masks --steps 30"
    )


def test_dense_runs_of_other_seeds(tmp_path: Path) -> None:
    runs = [make_run(DENSE_TICKET, 7), make_run(FIFTH, 1), make_run(FIFTH, 2), make_run(FIFTH, 5)]
    group = group_of(tmp_path, *runs)
    assert said_of(group)[0] == (
        "No dense run has the seed of a ticket, so nothing shows how far down l1 tickets of 5 "
        "rounds keep up."
    )
    assert "lthctl prune --ratio 0 --seed 1-2,5 --steps 30 &&" in unknown_in(group)[0]


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    runs = [make_run(DENSE_TICKET, 4, 0.98), make_run(FIFTH, 4, 0.99)]
    runs += [make_run(FIFTH, 4, 0.90, control="reinit")]
    group = group_of(tmp_path, *runs)
    assert said_of(group) == (
        "One seed decides nothing: at 20 % of the weights, l1 tickets of 5 rounds differ from "
        "dense by +1.00 points (n 1).",
        "One seed decides nothing: at 20 % of the weights, a ticket reaches 97 % accuracy 1.00 "
        "times sooner than dense (n 1).",
        "One seed decides nothing: at 20 % of the weights, accuracy is +9.00 points against "
        "reinitialized, n 1.",
    )
    assert unknown_in(group)[0] == (
        "One seed has no interval, so nothing is decided; take 5 or more. Type: lthctl prune "
        "--method l1 --ratio 0,0.8 --rounds 5 --seed 1-5 --steps 30 && lthctl retrain masks "
        "--steps 30 && lthctl retrain masks --control reinit --steps 30"
    )


def test_nothing_pruned(tmp_path: Path) -> None:
    group = group_of(tmp_path, *runs_of(DENSE_TICKET, [0, 0, 0]))
    assert said_of(group) == (
        "Nothing to judge: there is no pruned ticket with its original weights here.",
    )
    assert unknown_in(group) == [
        "No pruned ticket was retrained from its own weights. Type: lthctl prune && lthctl "
        "retrain masks"
    ]
    assert answer_metrics(group) == {}


# --- the rule


def test_ladder_and_size_are_chosen_by_rule_and_not_by_outcome(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(("random", 0.8, 9), BETTER)
    runs += runs_of(("l1", 0.8, 1), BETTER) + runs_of(("l1", 0.7, 5), WORSE)
    runs += runs_of(TENTH, BETTER) + runs_of(("l1", 0.8, 5), BETTER, control="reinit")
    group = group_of(tmp_path, *runs)
    ladder = asked_ladder(group)
    assert ladder == LadderKey("l1", 5, "rewind")
    assert asked_ticket(group, ladder).key.ratio == 0.7  # as near as .9, and denser


def test_random_pruning_is_asked_about_where_there_is_nothing_else(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(RANDOM_FIFTH, WORSE)
    group = group_of(tmp_path, *runs)
    assert said_of(group)[0] == (
        "No size of random tickets of 5 rounds is known to be as good as dense: 20 % of the "
        "weights differ by -1.10 points (-1.35 to -0.85, n 3)."
    )


# --- files


def test_ladders_as_a_table(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(HALF, AS_GOOD) + runs_of(FIFTH, WORSE)
    files = answer_files(report_of(tmp_path, *runs))
    (row,) = csv.DictReader(io.StringIO(files["ladders.csv"].decode()))
    assert {name: row[name] for name in ("method", "sizes", "held", "stopped", "level")} == {
        "method": "l1", "sizes": "2", "held": "1", "stopped": "worse", "level": "0.05",
    }  # fmt: skip
    assert (row["smallest_density"], row["next_ratio"], row["seeds"]) == ("0.5", "0.8", "")


def test_arrivals_as_a_table(tmp_path: Path) -> None:
    runs = arriving(DENSE_TICKET, 40, 80) + arriving(FIFTH, 20, None)
    files = answer_files(report_of(tmp_path, *runs))
    rows = list(csv.DictReader(io.StringIO(files["arrivals.csv"].decode())))
    assert [
        [row[name] for name in ("method", "target", "n", "arrived", "steps", "dense_kind")]
        for row in rows
    ] == [
        ["dense", "0.97", "2", "2", "60.0", ""],
        ["dense", "0.98", "2", "2", "60.0", ""],
        ["dense", "dense", "2", "2", "60.0", ""],
        ["l1", "0.97", "2", "1", "", "at most"],
        ["l1", "0.98", "2", "1", "", "at most"],
        ["l1", "dense", "2", "1", "", "at most"],
    ]  # fmt: skip


def test_every_group_has_its_answers_and_the_rule_is_said(tmp_path: Path) -> None:
    other = make_run(DENSE_TICKET, model={**MODEL, "init": "glorot"})
    report = report_of(tmp_path, other, *runs_of(DENSE_TICKET, [0, 0, 0]), *runs_of(FIFTH, WORSE))
    document = json.loads(answer_files(report)["answers.json"])
    assert document["rule"].startswith("Fixed before any run: ")
    first, second = document["groups"]
    assert first["sentences"] == list(said_of(report.groups[0]))
    assert first["how_far"]["ladder"]["next"]["ratio"] == 0.8
    assert second["how_far"] is None and second["sentences"] == list(said_of(report.groups[1]))


# --- ladders that are not whole


def test_a_ladder_with_a_gap_says_so_and_names_what_fills_it(tmp_path: Path) -> None:
    """No ticket of a fifth of the weights is there, and others have that size."""
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(HALF, AS_GOOD) + runs_of(TENTH, AS_GOOD)
    group = group_of(tmp_path, *runs, *runs_of(RANDOM_FIFTH, WORSE))
    ladder = ladder_of(group)
    assert (ratio_of(ladder), ladder.untested) == (0.9, (0.8,))
    (gap,) = [one for one in unknown_in(group) if "gap" in one]
    assert gap == (
        "Nothing is known of ratio 0.8: the ladder has a gap there. Type: lthctl prune --method l1 "
        "--ratio 0,0.8 --rounds 5 --seed 1-3 --steps 30 && lthctl retrain masks --steps 30"
    )


def test_a_gap_below_what_keeps_up_is_none(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(HALF, AS_GOOD)
    group = group_of(tmp_path, *runs, *runs_of(RANDOM_FIFTH, WORSE))
    assert ladder_of(group).untested == ()


def test_a_size_of_a_single_seed_stops_the_ladder(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(("l1", 0.3, 5), AS_GOOD)
    group = group_of(tmp_path, *runs, *runs_of(FIFTH, AS_GOOD), make_run(HALF, 1, 0.98))
    ladder = ladder_of(group)
    assert (ratio_of(ladder), ladder.stopped, ladder.seeds) == (0.3, "unknown", None)
    assert unknown_in(group)[0] == (
        "Whether 50 % of the weights is as good as dense (+0.00 points, n 1). One seed decides "
        "nothing; take 5. Type: lthctl prune --method l1 --ratio 0,0.5 --rounds 5 --seed 1-5 --steps "
        "30 && lthctl retrain masks --steps 30"
    )


def test_a_primary_ladder_without_runs(tmp_path: Path) -> None:
    params = ReportParams(primary=("l1-n7",))
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(FIFTH, AS_GOOD)
    group = group_of(tmp_path, *runs, params=params)
    assert unknown_in(group) == [
        "No ticket of the primary ladder l1-n7 was retrained from its own weights. Type: lthctl "
        "prune --method l1 --ratio 0,0.8 --rounds 7 --seed 1-3 --steps 30 && lthctl retrain masks "
        "--steps 30"
    ]


def test_controls_that_are_the_same_say_that_nothing_counts(tmp_path: Path) -> None:
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(FIFTH, AS_GOOD)
    runs += runs_of(FIFTH, AS_GOOD, control="reinit") + runs_of(RANDOM_FIFTH, AS_GOOD)
    assert said_of(group_of(tmp_path, *runs))[2].startswith(
        "Neither counts: at 20 % of the weights"
    )


def test_a_small_margin_that_nothing_can_meet_is_unknown_and_not_worse(tmp_path: Path) -> None:
    """A margin of a hundredth of an image: no size is as good, and none is called worse."""
    runs = runs_of(DENSE_TICKET, [0, 0, 0]) + runs_of(FIFTH, UNSURE)
    group = group_of(tmp_path, *runs, params=ReportParams(margin=1e-6))
    assert ladder_of(group).stopped == "unknown"
    assert "Not even 1,000 seeds would tell." not in unknown_in(group)[0]
