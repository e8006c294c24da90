"""Claims of a paper: read from a file, judged by runs, and shown."""

import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lthctl.artifacts.run import Run, save_run
from lthctl.cli.app import app
from lthctl.errors import ParamsError
from lthctl.grid.prunings import asked_prunings
from lthctl.lottery.rates import rates_of
from lthctl.models.entry import model_from
from lthctl.params import ReportParams
from lthctl.params_file import load_params
from lthctl.reporting.claim_files import claim_files
from lthctl.reporting.claim_quantities import QUANTITIES
from lthctl.reporting.claim_words import claims_markdown, here_words
from lthctl.reporting.claims import JudgedClaim, judge_claims
from lthctl.reporting.claims_file import load_claims
from lthctl.reporting.experiments import ExperimentKey
from lthctl.reporting.ladders import LadderKey
from lthctl.reporting.latex import table
from lthctl.reporting.page_claims import claims_html
from lthctl.reporting.paper import ONLY_IN_CSV
from lthctl.reporting.report import report
from lthctl.training.history import Row

from .test_report import DATA, DENSE_TICKET, Asked, make_run, unread_report

CLAIM = """
  - id: {id}
    sentence: Tickets win.
    source: Section 2
    printed: 38 %
"""
T3 = 4.302652729911275  # two-sided 95 % of Student's t, 2 degrees


def claims_text(*claims: str) -> str:
    parts = (f"{CLAIM.format(id=f'C{i}')}    {text}\n" for i, text in enumerate(claims, start=1))
    return "paper: A paper, version 5\nclaims:" + "".join(parts)


def judge(runs: list[Run], *claims: str, params: ReportParams | None = None) -> list[JudgedClaim]:
    """Some claims, each the rest of a flow mapping."""
    text = "paper: A paper\nclaims:\n" + "".join(
        f"- {{id: C{i}, sentence: s, source: t, printed: p, {claim}}}\n"
        for i, claim in enumerate(claims)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lthctl.reporting.claims_file.read_yaml", lambda *a, **k: parsed(text))
        asked = load_claims(Path("claims.yaml"))
    (group,) = unread_report(*runs).groups
    if params:
        group = type(group)(group.title, params, group.experiments)
    return list(judge_claims(group, asked).claims)


def parsed(text: str) -> tuple[object, dict[tuple[object, ...], tuple[int, int]]]:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text), {}


TRAIN = {"steps": 1000, "evaluate_every": 10, "engine": "torch", "device": "cpu"}


def stopping(
    experiment: Asked,
    stops: list[int],
    tests: list[float] | None = None,
    control: str = "rewind",
    draw: int = 1,
) -> list[Run]:
    """Runs of seeds 1, 2, ... that stop early at some steps, with these test accuracies there."""
    made = []
    for seed, stop in enumerate(stops, start=1):
        test = tests[seed - 1] if tests else 0.5
        history = tuple(
            Row(step, 1.0, 0.1 if step == stop else 0.5, 0.9, 1.0, test if step == stop else 0.1)
            for step in range(10, 1010, 10)
        )
        data = {**DATA, "test": 1_000_000}
        run = make_run(experiment, seed, history=history, train=TRAIN, control=control, data=data)
        drawn = run.specification.model_copy(update={"draw": draw})
        made.append(replace(run, specification=drawn, training=f"{draw}{run.training[1:]}"))
    return made


DENSE = [*stopping(DENSE_TICKET, [500, 600, 550], [0.98, 0.981, 0.979])]


def test_times_sooner_are_a_paired_geometric_mean_with_a_t_interval() -> None:
    runs = [*DENSE, *stopping(("l1", 0.8, 5), [250, 200, 220])]
    earlier, times = judge(
        runs,
        "quantity: early_stop_earlier, ladder: l1-n5, size: 20, bound: {above: 0}",
        "quantity: early_stop_times, ladder: l1-n5, size: 20, bound: {above: 2}",
    )
    logs = np.log([500 / 250, 600 / 200, 550 / 220])
    half = T3 * logs.std(ddof=1) / math.sqrt(3)
    found = times.measured[0].value
    assert found.n == 3
    assert found.mean == pytest.approx(math.exp(logs.mean()))
    assert found.low == pytest.approx(math.exp(logs.mean() - half))
    assert found.high == pytest.approx(math.exp(logs.mean() + half))
    percent = earlier.measured[0].value
    assert percent.mean == pytest.approx(100 * (1 - math.exp(-logs.mean())))
    assert percent.low == pytest.approx(100 * (1 - math.exp(-logs.mean() + half)))
    assert (earlier.outcome, times.outcome) == ("holds", "undecided")


def test_a_claim_fails_where_its_interval_lies_elsewhere() -> None:
    runs = [*DENSE, *stopping(("l1", 0.8, 5), [900, 990, 930], [0.97, 0.971, 0.969])]
    late, worse, equal = judge(
        runs,
        "quantity: early_stop_earlier, ladder: l1-n5, size: 20, bound: {above: 0}",
        "quantity: test_gain, ladder: l1-n5, size: 20, bound: {above: 0}",
        "quantity: test_gain, ladder: l1-n5, size: 20, bound: {above: -0.2, below: 0.2}",
    )
    assert [late.outcome, worse.outcome, equal.outcome] == ["fails"] * 3
    assert worse.measured[0].value.mean == pytest.approx(-1)


def test_draws_of_a_control_are_averaged_within_their_seed() -> None:
    """Three seeds stay three; steps by their geometric mean."""
    runs = [
        *DENSE,
        *stopping(("l1", 0.8, 5), [250, 200, 220], [0.985, 0.985, 0.985]),
        *stopping(("l1", 0.8, 5), [200, 400, 400], [0.98, 0.981, 0.982], "reinit"),
        *stopping(("l1", 0.8, 5), [800, 400, 900], [0.97, 0.971, 0.972], "reinit", draw=2),
    ]
    name = "ladder: l1-n5, size: 20, than: reinit"
    times, gain = judge(
        runs,
        f"quantity: early_stop_times, {name}, bound: {{above: 1}}",
        f"quantity: test_gain, {name}, bound: {{above: 0}}",
    )
    found = times.measured[0].value
    assert found.n == gain.measured[0].value.n == 3
    assert found.mean == pytest.approx((400 / 250 * 400 / 200 * 600 / 220) ** (1 / 3))
    assert gain.measured[0].value.mean == pytest.approx(0.9)


@pytest.mark.parametrize(
    "claim",
    [
        "quantity: test_gain, ladder: l1-n7, size: 20, bound: {above: 0}",
        "quantity: test_gain, ladder: l1-n5, size: 21.1, bound: {above: 0}",
        "quantity: test_gain, ladder: l1-n5, size: 20, than: reinit, bound: {above: 0}",
        "quantity: test_gain, ladder: l1-n5, size: 20, than: l1-n1, bound: {above: 0}",
        "quantity: test_gain, ladder: l1-n5, sizes: [15, 5], bound: {above: 0}",
        "quantity: early_stop_trend, ladder: l1-n1, sizes: [90, 5], bound: {above: 1}",
        "quantity: test_leaves_dense, ladder: l1-n5, control: reinit, bound: {above: 5}",
        "quantity: test_leaves_dense, ladder: l1-n5, bound: {below: 5}",
    ],
)
def test_what_was_not_run_is_not_run_and_never_fails(claim: str) -> None:
    runs = [*DENSE, *stopping(("l1", 0.8, 5), [900, 990, 930], [0.98, 0.981, 0.979])]
    (judged,) = judge(runs, claim)
    assert judged.outcome == "not run"
    assert judged.why


def test_runs_without_test_images_cannot_answer_for_test_accuracy() -> None:
    runs = [make_run(one, seed) for one in (DENSE_TICKET, ("l1", 0.8, 5)) for seed in (1, 2, 3)]
    (judged,) = judge(runs, "quantity: test_gain, ladder: l1-n5, size: 20, bound: {above: 0}")
    assert (judged.outcome, judged.why) == ("not run", "these runs have no test images")


def test_a_size_is_matched_within_the_tolerance_and_the_nearest_counts() -> None:
    runs = [*DENSE, *stopping(("l1", 0.79, 5), [500] * 3), *stopping(("l1", 0.787, 5), [250] * 3)]
    (judged,) = judge(
        runs, "quantity: early_stop_times, ladder: l1-n5, size: 21.1, bound: {above: 0}"
    )
    assert judged.measured[0].percent == pytest.approx(21)


def test_a_range_holds_where_every_size_does() -> None:
    good, better = [0.984, 0.9853, 0.983], [0.986, 0.9872, 0.985]
    runs = [
        *DENSE,
        *stopping(("l1", 0.5, 1), [500] * 3, good),
        *stopping(("l1", 0.8, 1), [500] * 3, better),
    ]
    claim = "quantity: test_gain, ladder: l1-n1, sizes: [95, 5], bound: {above: 0}"
    (judged,) = judge(runs, claim)
    assert judged.outcome == "holds"
    assert len(judged.measured) == 2
    assert judged.least is not None
    assert judged.least.percent == 50
    assert here_words(judged).endswith("at 50 %, the least of 2 sizes from 50 to 20 %")
    (alone,) = judge(runs[:6], claim)
    assert (alone.outcome, alone.why) == ("undecided", "one size is no range")
    bad = stopping(("l1", 0.9, 1), [500] * 3, [0.98, 0.9811, 0.9788])
    assert judge([*runs, *bad], claim)[0].outcome == "undecided"
    worst = stopping(("l1", 0.9, 1), [500] * 3, [0.96, 0.9611, 0.9588])
    assert judge([*runs, *worst], claim)[0].outcome == "fails"


def test_a_range_fails_by_the_error_of_all_its_sizes_together() -> None:
    """One of five sizes lies under the bound by chance more often than one by itself."""
    size = stopping(("l1", 0.9, 1), [500] * 3, [0.9795, 0.9797, 0.9774])
    rest = [
        run
        for ratio in (0.1, 0.2, 0.3, 0.4)
        for run in stopping(("l1", ratio, 1), [500] * 3, [0.984, 0.9853, 0.983])
    ]
    name = "quantity: test_gain, ladder: l1-n1, bound: {above: 0.1}"
    alone, many = judge([*DENSE, *size, *rest], f"{name}, size: 10", f"{name}, sizes: [95, 5]")
    assert alone.outcome == "fails"
    assert many.outcome == "undecided"
    assert [one.outcome for one in many.measured] == ["holds"] * 4 + ["fails"]


def test_a_ladder_leaves_dense_at_the_first_size_that_is_not_as_good() -> None:
    level, low = [0.98, 0.9811, 0.9789], [0.97, 0.9713, 0.9688]
    runs = [
        *DENSE,
        *stopping(("l1", 0.5, 5), [500] * 3, level),
        *stopping(("l1", 0.8, 5), [500] * 3, level),
        *stopping(("l1", 0.9, 5), [500] * 3, low),
        *stopping(("l1", 0.95, 5), [500] * 3, level),
        *stopping(("l1", 0.97, 5), [500] * 3, low),
    ]
    name = "quantity: test_leaves_dense, ladder: l1-n5"
    judged = judge(
        runs,
        f"{name}, bound: {{below: 10}}",
        f"{name}, bound: {{above: 10}}",
        f"{name}, bound: {{below: 5}}",
        f"{name}, bound: {{above: 20}}",
        f"{name}, bound: {{above: 9, below: 11}}",
    )
    assert [one.leaves for one in judged] == [pytest.approx(10)] * 5
    assert [one.outcome for one in judged] == ["holds", "holds", "fails", "fails", "holds"]
    assert here_words(judged[0]).startswith("worse at 10 % (-1.00 points, ")
    keeps = [run for run in runs if run.ticket.ratio <= 0.8]
    outcomes = [one.outcome for one in judge(
        keeps, f"{name}, bound: {{below: 20}}", f"{name}, bound: {{above: 20}}",
        f"{name}, bound: {{below: 3}}",
    )]  # fmt: skip
    assert outcomes == ["holds", "fails", "not run"]


def test_a_trend_is_a_slope_of_every_seed() -> None:
    """Dense at 800 steps, a half at 400, a quarter at 200: twice sooner with every halving."""
    runs = [
        *stopping(DENSE_TICKET, [800, 880, 800]),
        *stopping(("l1", 0.5, 5), [400, 440, 400]),
        *stopping(("l1", 0.75, 5), [200, 220, 200]),
    ]
    judged, short = judge(
        runs,
        "quantity: early_stop_trend, ladder: l1-n5, sizes: [60, 25], bound: {above: 1.5}",
        "quantity: early_stop_trend, ladder: l1-n5, sizes: [60, 20], bound: {above: 1.5}",
    )
    assert (short.outcome, short.why) == ("not run", "only down to 25 %")
    assert judged.outcome == "holds"
    assert judged.measured[0].value.mean == pytest.approx(2)


def test_one_seed_decides_nothing() -> None:
    runs = [*stopping(DENSE_TICKET, [500], [0.9]), *stopping(("l1", 0.8, 5), [100], [0.99])]
    (judged,) = judge(runs, "quantity: test_gain, ladder: l1-n5, size: 20, bound: {above: 0}")
    assert (judged.outcome, judged.why) == ("undecided", "one seed has no interval")


def test_runs_that_are_too_short_decide_nothing() -> None:
    late = stopping(DENSE_TICKET, [1000, 1000, 1000], [0.98, 0.981, 0.979])
    runs = [*late, *stopping(("l1", 0.8, 5), [100, 110, 120], [0.99, 0.9912, 0.9895])]
    (judged,) = judge(runs, "quantity: test_gain, ladder: l1-n5, size: 20, bound: {above: 0}")
    assert judged.outcome == "undecided"
    assert "too short" in judged.why


# ---- the file ----


def test_every_fault_of_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text(
        claims_text(
            "quantity: test_gian\n    ladder: l1-n5\n    size: 20\n    bound: {above: 0}",
            "quantity: test_gain\n    ladder: l1\n    size: 20\n    bound: {above: 0}",
            "quantity: test_gain\n    ladder: l1-n5\n    size: 20",
            "quantity: test_gain\n    ladder: l1-n5\n    size: 120\n    bound: {}",
            "quantity: test_gain\n    ladder: l1-n5\n    bound: {over: 0}\n    colour: red",
        )
    )
    with pytest.raises(ParamsError) as refusal:
        load_claims(file)
    text = str(refusal.value).replace(str(tmp_path) + "/", "")
    assert text.splitlines() == [
        "claims.yaml:7:5: claims.0.quantity: is 'test_gian', which is no quantity; did you mean "
        "'test_gain'? known are: early_stop_earlier, early_stop_times, early_stop_trend, "
        "target_times, test_gain, validation_gain, test_accuracy, validation_accuracy, "
        "test_leaves_dense, validation_leaves_dense",
        "claims.yaml:17:5: claims.1.ladder: is 'l1', expected the name of a ladder, such as l1-n5",
        "claims.yaml:21:5: claims.2.bound: is missing; every claim needs it",
        "claims.yaml:35:5: claims.3.size: is 120, expected less than or equal to 100",
        "claims.yaml:36:5: claims.3.bound: has neither above nor below; give one, or both",
        "claims.yaml:44:13: claims.4.bound.over: is not known; did you mean 'above'? known here: "
        "above, below",
        "claims.yaml:45:5: claims.4.colour: is not known; known here: id, sentence, source, "
        "quantity, ladder, control, size, sizes, than, than_size, target, bound, printed",
    ]


@pytest.mark.parametrize(
    ("claim", "fault"),
    [
        ("quantity: test_gain, ladder: l1-n5", "has no size; give one"),
        ("quantity: test_gain, ladder: l1-n5, size: 5, sizes: [9, 5]", "has size and sizes"),
        ("quantity: test_gain, ladder: l1-n5, sizes: [5, 9]", "do not go down"),
        ("quantity: target_times, ladder: l1-n5, size: 5", "has no target"),
        ("quantity: test_gain, ladder: l1-n5, size: 5, target: 0.9", "asks for none"),
        ("quantity: test_leaves_dense, ladder: l1-n5, size: 5", "walks the whole ladder"),
        ("quantity: early_stop_trend, ladder: l1-n5, size: 5", "is along some"),
        ("quantity: test_accuracy, ladder: l1-n5, size: 5, than: reinit", "compares with nothing"),
        ("quantity: test_gain, ladder: l1-n5, size: 5, than_size: 5", "of another ladder"),
        ("quantity: test_gain, ladder: l1-n5, size: 5, than: reunit", "is 'reunit', expected"),
        ("quantity: test_gain, ladder: l1-n5, size: .nan", "is nan, expected less than"),
    ],
)
def test_keys_that_do_not_go_together(claim: str, fault: str) -> None:
    with pytest.raises(ParamsError) as refusal:
        judge([], f"{claim}, bound: {{above: 0}}")
    assert fault in str(refusal.value)


def test_ids_are_there_once(tmp_path: Path) -> None:
    file = tmp_path / "claims.yaml"
    one = "quantity: test_gain\n    ladder: l1-n5\n    size: 20\n    bound: {above: 0}"
    file.write_text(claims_text(one, one).replace("C2", "C1"))
    with pytest.raises(ParamsError, match="has ids that are there twice: C1"):
        load_claims(file)


@pytest.mark.parametrize(
    "text", ["", "claims: []", "- 1", "paper: p\nclaims: 3", "a: !!python/x 1"]
)
def test_what_is_no_list_of_claims_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "claims.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"claims\.yaml"):
        load_claims(tmp_path / "claims.yaml")


def test_every_quantity_is_explained() -> None:
    page = (Path(__file__).parent.parent / "docs/CLAIMS.md").read_text()
    assert [name for name in QUANTITIES if f"| `{name}` |" not in page] == []


PAPER = Path(__file__).parent.parent / "experiments/paper"


def sizes_asked_for() -> dict[tuple[str, str], list[float]]:
    """Ladder and control -> percent of the weights left, of all tickets of the paper's grids."""
    found: dict[tuple[str, str], list[float]] = {}
    retrain = load_params(PAPER / "params.yaml").retrain
    for name in ("params.yaml", "one-shot.yaml"):
        params = load_params(PAPER / name)
        model = model_from(params.model)
        shapes = model.prunable(biases=params.prune.biases)
        total = sum(math.prod(shape) for shape in shapes.values())
        for one in asked_prunings(params.prune, model):
            left = {parameter: math.prod(shape) for parameter, shape in shapes.items()}
            rate = rates_of(model, shapes, one)
            for _ in range(one.rounds):
                left = {key: count - round(rate[key] * count) for key, count in left.items()}
            for control in retrain.control:
                if retrain.wants(control, one.method, one.name_of_replicates):
                    key = ExperimentKey(
                        control, one.method, one.rounds, one.ratio, "", one.per_round
                    )
                    percent = 100 * sum(left.values()) / total
                    found.setdefault((LadderKey.of(key).name, control), []).append(percent)
    return found


def test_every_claim_about_the_paper_is_of_a_ticket_that_is_asked_for() -> None:
    asked, sizes = load_claims(PAPER / "claims.yaml"), sizes_asked_for()

    def has(ladder: str, control: str, size: float) -> bool:
        nearest = min(abs(one - size) for one in sizes[ladder, control])
        return nearest <= size * asked.tolerance / 100

    for claim in asked.claims:
        single = claim.size or claim.bound.below or claim.bound.above
        if claim.sizes is not None:
            first, last = claim.sizes
            inside = [one for one in sizes[claim.ladder, claim.control] if first >= one >= last]
            assert len(inside) >= 2, claim
        elif single is not None:
            assert has(claim.ladder, claim.control, single), claim
        if claim.than == "reinit":
            assert has(claim.ladder, "reinit", claim.size or 0), claim
        if claim.than_size is not None:
            assert has(claim.than, "rewind", claim.than_size), claim
    assert {claim.id[:2] for claim in asked.claims} == {f"C{number}" for number in range(1, 7)}


# ---- shown ----

HOSTILE = "<script>alert(1)</script> [bold]x[/bold] | `y` \\input{z} \x1b[31m"


def hostile_folder(tmp_path: Path, runs: list[Run]) -> Path:
    for number, run in enumerate(runs):
        save_run(run, tmp_path / "runs" / str(number))
    quoted = HOSTILE.replace("\\", "\\\\").replace("\x1b", "\\e")
    (tmp_path / "claims.yaml").write_text(
        f'paper: "{quoted}"\nclaims:\n- id: C1\n  sentence: "{quoted}"\n  source: "{quoted}"\n'
        f'  printed: "{quoted}"\n  quantity: validation_gain\n  ladder: l1-n1\n  size: 50\n'
        "  bound: {above: 0}\n"
    )
    return tmp_path


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_sentences_are_text_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [make_run(one, seed) for one in (DENSE_TICKET, ("l1", 0.5, 1)) for seed in (1, 2, 3)]
    monkeypatch.chdir(hostile_folder(tmp_path, runs))
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    finished = report(claims="claims.yaml")
    judged = finished.report.claims
    assert judged is not None
    tags = Tags()
    tags.feed(claims_html(judged))
    assert "script" not in tags.tags
    markdown = claims_markdown(judged)
    assert "<script" not in markdown
    assert "\\| \\`y\\`" in markdown
    assert markdown.count("\n") == 3
    latex = table(claim_files(judged)["claims.csv"], "c", "tab:x", left_out=ONLY_IN_CSV["claims"])
    assert r"\input" not in latex
    assert r"\textbackslash{}input\{z\}" in latex
    shown = CliRunner().invoke(app, ["report", "--out", "out"])
    assert shown.exit_code == 0, shown.output
    assert "\x1b" not in shown.stdout
    assert "[bold]x[/bold]" in " ".join(shown.stdout.split()).replace("x[/bold] |", "x[/bold]")
    assert b"claims.csv" in (tmp_path / "out/index.html").read_bytes()


def test_claims_are_found_beside_the_parameters_but_not_by_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [make_run(one, seed) for one in (DENSE_TICKET, ("l1", 0.5, 1)) for seed in (1, 2)]
    monkeypatch.chdir(hostile_folder(tmp_path, runs))
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    found = CliRunner().invoke(app, ["report", "--out", "out", "--quiet"])
    assert found.exit_code == 0, found.output
    assert (tmp_path / "out/claims.json").exists()
    monkeypatch.setenv("DVC_STAGE", "report")
    without = CliRunner().invoke(app, ["report", "--out", "stage", "--quiet"])
    assert "does not name it" in without.stderr
    assert not (tmp_path / "stage/claims.json").exists()
    named = CliRunner().invoke(
        app, ["report", "--out", "named", "--quiet", "--claims", "claims.yaml"]
    )
    assert named.exit_code == 0, named.output
    assert (tmp_path / "named/claims.json").exists()


def test_a_claims_file_that_is_asked_for_must_be_there(project: Path) -> None:
    result = CliRunner().invoke(app, ["report", "runs", "--claims", "no.yaml"])
    assert result.exit_code == 2
    assert "no.yaml: cannot be read" in result.stderr
