"""The page as bytes: what is in it, what can never be, and that nothing changes it but the runs.

How it looks and answers is in test_browser.py.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lthctl.artifacts.run import Run, save_run
from lthctl.artifacts.run_document import TicketSummary
from lthctl.canonical import Json
from lthctl.errors import ReportError
from lthctl.families import CONTROLS
from lthctl.params import RoundParams
from lthctl.reporting import page, page_data
from lthctl.reporting.arrivals import arrival
from lthctl.reporting.ladders import ladders_of
from lthctl.reporting.page import json_in_html, page_bytes
from lthctl.reporting.page_data import thinning
from lthctl.reporting.provenance import (
    protocol_rows,
    provenance_of,
    removed_per_round,
    revision,
    steps_before_a_pruning,
)
from lthctl.reporting.reading import Report, make_report
from lthctl.reporting.survivors import find_survivors

from .pictures import PICTURES
from .test_report import (
    DATA,
    DENSE_TICKET,
    L1_TICKET,
    MODEL,
    PARAMS,
    RANDOM_TICKET,
    TRAIN,
    group_of,
    make_run,
    replicates,
    report_of,
    tiny_report,
    unread_report,
)

PROVENANCE: Json = {"revision": {"commit": "c0ffee", "changed": []}, "software": {"lthctl": "1"}}


def page_of(
    report: Report,
    masks: Path = Path("/nowhere"),
    left_out: tuple[tuple[Path, str], ...] = (),
    title: str | None = None,
) -> str:
    """The page of a report, with small pictures and an invented revision."""
    survivors, _ = find_survivors(report, masks)
    provenance = {**PROVENANCE, "groups": provenance_of(report)["groups"]}
    return page_bytes(
        report,
        survivors,
        provenance,
        PICTURES,
        [*report.left_out, *left_out],
        title=title,
        beside=("metrics.json", "runs.csv"),
    ).decode()


def data_of(html: str) -> Json:
    (found,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL
    )
    document: Json = json.loads(found)
    return document


def test_bytes_are_the_same_twice_and_in_any_order(tmp_path: Path) -> None:
    runs = replicates(DENSE_TICKET, [0.90, 0.91, 0.93]) + replicates(L1_TICKET, [0.91, 0.92, 0.95])
    first = page_of(report_of(tmp_path / "first", *runs))
    assert page_of(make_report([tmp_path / "first"], PARAMS)) == first
    assert page_of(report_of(tmp_path / "second", *reversed(runs))) == first


def test_it_loads_nothing_and_runs_no_other_script(tmp_path: Path) -> None:
    html = page_of(tiny_report(tmp_path))
    without = html.replace(page.d3_script(), "")
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", re.sub(r"data:image[^\"]*", "", without)))
    assert addresses == set()
    assert set(re.findall(r'(?:src|href)="([^"#:]*)[":]', without)) == {
        "data", "metrics.json", "runs.csv",
    }  # fmt: skip
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1]


def test_json_cannot_leave_its_element() -> None:
    hostile = {"</script><script>alert(1)//": "<!-- & --> \u2028 <SCRIPT"}
    text = json_in_html(hostile)
    assert not set("<>&") & set(text)
    assert json.loads(text) == hostile


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>", "<!--<script>", "{{data}}", "{{style}}"]
)
def test_hostile_names_are_data_only(name: str) -> None:
    runs = [
        make_run(DENSE_TICKET),
        make_run((name, 0.5, 1)),
        make_run(L1_TICKET, data={**DATA, "name": name}),
    ]
    plain = [
        make_run(DENSE_TICKET),
        make_run(("mine", 0.5, 1)),
        make_run(L1_TICKET, data={**DATA, "name": "other"}),
    ]
    html, expected = page_of(unread_report(*runs)), page_of(unread_report(*plain))
    assert html.count("<script") == expected.count("<script") == 3
    assert html.count("<!--") == expected.count("<!--")
    assert name in {
        experiment["method"]
        for group in data_of(html)["groups"]
        for experiment in group["experiments"]
    }
    assert (
        len(html) < len(expected) + 2000
    )  # a name that reads like a slot of the template stays one


def test_every_group_and_every_run_is_in_it(tmp_path: Path) -> None:
    small = [make_run(DENSE_TICKET, best=0.25, train={**TRAIN, "steps": 60})]
    document = data_of(page_of(report_of(tmp_path, *small, *replicates(DENSE_TICKET, [0.5, 0.75]))))
    assert [group["num_runs"] for group in document["groups"]] == [2, 1]
    assert [run[4] for group in document["groups"] for run in group["runs"]] == [0.5, 0.75, 0.25]
    assert [of["train"]["steps"] for of in document["provenance"]["groups"]] == [30, 60]


def test_the_numbers_are_the_reports(tmp_path: Path) -> None:
    report = tiny_report(tmp_path)
    (shown,) = data_of(page_of(report))["groups"]
    group = report.groups[0]
    for ladder, of in zip(ladders_of(group), shown["ladders"], strict=True):
        assert (of["method"], of["control"], of["held"]) == (
            ladder.key.method,
            ladder.key.control,
            ladder.num_held,
        )
        names = [shown["experiments"][i]["ticket"] for i in of["sizes"]]
        assert names == [size.key.ticket for size in ladder.sizes]
    for experiment, of in zip(group.experiments, shown["experiments"], strict=True):
        assert (of["difference"] and of["difference"]["mean"]) == (
            experiment.difference and experiment.difference.mean
        )
    first = group.experiments[0].first_run
    assert shown["runs"][0][9][:2] == [arrival(first.history, at).step for at in (0.97, 0.98)]
    assert [experiment["accuracy"]["mean"] for experiment in shown["experiments"]] == [
        experiment.accuracy.mean for experiment in group.experiments
    ]
    assert shown["curves"]["accuracy"][0] == [0.25, 0.5, 0.375]


def test_verdicts_have_one_vocabulary(tmp_path: Path) -> None:
    dense, same = [0.980, 0.981, 0.982], [0.9801, 0.9809, 0.982]
    worse, unsure = [0.970, 0.970, 0.970], [0.977, 0.982, 0.981]
    runs = [
        *replicates(DENSE_TICKET, dense),
        *replicates(("l1", 0.5, 1), same),
        *replicates(("l1", 0.8, 1), worse),
        *replicates(("l1", 0.9, 1), worse),
        *replicates(("random", 0.5, 1), unsure),
        *replicates(("l1", 0.5, 1), worse, control="reinit"),
    ]
    (shown,) = data_of(page_of(report_of(tmp_path, *runs)))["groups"]
    verdicts = {(of["method"], of["control"]): of["verdicts"] for of in shown["ladders"]}
    assert verdicts == {
        ("l1", "rewind"): ["as good", "worse", "unknown"],  # the walk ended above the last
        ("l1", "reinit"): ["worse"],
        ("random", "rewind"): ["unknown"],
    }
    (ticket,) = (of for of in shown["experiments"] if of["against"] and of["ratio"] == 0.5
                 and of["method"] == "l1")  # fmt: skip
    words = {name: of["verdict"] for name, of in ticket["against"].items()}
    assert words == {"reinit": "better", "random": "unknown"}


def test_runs_that_are_too_short_win_nothing(tmp_path: Path) -> None:
    runs = replicates(DENSE_TICKET, [0.98, 0.981, 0.982], stops=[30, 30, 30])
    runs += replicates(L1_TICKET, [0.99, 0.991, 0.992])
    (shown,) = data_of(page_of(report_of(tmp_path, *runs)))["groups"]
    assert shown["too_short"] and shown["ladders"][0]["verdicts"] == ["too short to tell"]
    assert shown["cards"][0]["figure"] == shown["cards"][2]["figure"] == "too short to tell"


def test_without_a_control_nobody_knows_what_counts(tmp_path: Path) -> None:
    runs = replicates(DENSE_TICKET, [0.98, 0.981, 0.982])
    runs += replicates(L1_TICKET, [0.98, 0.981, 0.983])
    runs += replicates(RANDOM_TICKET, [0.95, 0.951, 0.953])
    (shown,) = data_of(page_of(report_of(tmp_path / "one", *runs)))["groups"]
    assert shown["cards"][2]["figure"] == "unknown"
    runs += replicates(L1_TICKET, [0.95, 0.951, 0.953], control="reinit")
    (shown,) = data_of(page_of(report_of(tmp_path / "both", *runs)))["groups"]
    assert shown["cards"][2]["figure"] == "both"


def test_the_title_is_text(tmp_path: Path) -> None:
    title = "</title><script>alert(1)</script> & {{data}} \udcff"
    html = page_of(tiny_report(tmp_path), title=title)
    assert html.count("<script") == 3 and data_of(html)["title"].startswith("</title><script>")
    assert "<h1>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; {{data}} ?</h1>" in html
    assert "<title>Lottery tickets</title>" in page_of(tiny_report(tmp_path / "other"))


def test_curves_are_thinned_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(
        make_run().history[0]._replace(step=10 * (i + 1), validation_loss=1 / (i + 1))
        for i in range(61)
    )
    report = unread_report(*(make_run(seed=seed, history=rows) for seed in (1, 2)))
    assert thinning(report) == 1
    monkeypatch.setattr(page_data, "MOST_EVALUATIONS", 30)
    document = data_of(page_of(report))
    assert document["thinned"] == thinning(report) == 5
    assert document["groups"][0]["curves"]["steps"] == [
        *range(50, 601, 50),
        610,
    ]  # the last is always there
    assert all(len(curve) == 13 for curve in document["groups"][0]["curves"]["loss"])


def test_a_loss_that_is_no_number_is_a_gap() -> None:
    run = make_run()
    first, *rest = run.history
    diverged = replace(run, history=(first._replace(validation_loss=float("inf")), *rest))
    report = unread_report(diverged)
    assert data_of(page_of(report))["groups"][0]["curves"]["loss"] == [[None, 0.25, 0.5]]


def test_what_was_left_out_is_there_without_the_places_of_this_machine(tmp_path: Path) -> None:
    save_run(make_run(), tmp_path / "good")
    bad = save_run(make_run(seed=2), tmp_path / "runs" / "bad")
    (bad / "history.csv").unlink()
    html = page_of(
        make_report([tmp_path], PARAMS),
        left_out=((Path("masks/x"), "masks/x/ticket.json: is odd"),),
    )
    assert str(tmp_path) not in html
    (run, ticket) = data_of(html)["left_out"]
    assert run["folder"] == "runs/bad" and run["reason"].startswith(
        "runs/bad/history.csv: is missing"
    )
    assert ticket == {"folder": "masks/x", "reason": "masks/x/ticket.json: is odd"}


# --- provenance


def test_provenance_is_the_same_twice_and_counts_everything(tmp_path: Path) -> None:
    report = tiny_report(tmp_path)
    found = provenance_of(report)
    assert provenance_of(report) == found
    assert set(found["software"]) >= {"lthctl", "numpy", "scipy"}
    (group,) = found["groups"]
    assert group["n"] == {
        "runs": 7,
        "tickets": 5,
        "experiments": 4,
        "seeds": [1, 2],
        "evaluations": 21,
    }
    assert group["data_digests"] == ["1a" * 32] and group["judged_with"] == {
        "margin": 0.002,
        "confidence": 0.95,
    }


def paper_run(seed: int, control: str = "rewind") -> Run:
    train = {**TRAIN, "steps": 50_000, "evaluate_every": 100}
    data = {**DATA, "train": 55_000, "validation": 5_000, "test": 10_000}
    model = {**MODEL, "layers": [784, 300, 100, 10], "init": "glorot"}
    return make_run(
        RANDOM_TICKET, seed, control=control, train=train, data=data, model=model, biases=False
    )


def test_where_the_protocol_departs_from_the_papers(tmp_path: Path) -> None:
    ours = {row["item"]: row for row in protocol_rows(group_of(tmp_path / "ours", make_run()))}
    assert [item for item, row in ours.items() if not row["departs"]] == ["optimizer"]
    papers = protocol_rows(
        group_of(tmp_path / "papers", *(paper_run(seed) for seed in range(1, 6)))
    )
    same = {row["item"] for row in papers if not row["departs"]}
    assert same == {"network", "initial weights", "images", "optimizer", "steps of a retraining", "evaluated every",
                    "prunable"}  # fmt: skip


PAPERS = {"method": "l1", "rounds": 3, "per_round": 0.2, "output_factor": 0.5, "scope": "layer",
          "exclude": (), "layer_rate": None, "layer_ratio": None, "digest": "1a" * 32,
          "train": RoundParams(steps=50_000)}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "removed", "steps"),
    [
        ({}, "20 % of what remains; 10 % of the output layer", "50,000 in every round"),
        ({"scope": "global", "exclude": ("*shortcut", "fc")},
         "20 % of what remains, all layers together; nothing of *shortcut, fc", None),
        ({"layer_rate": (("conv*", 0.1), ("fc*", 0.2), ("fc3", 0.1))},
         "of what remains 10 % of conv*, 20 % of fc*, 10 % of fc3", None),
        ({"per_round": None, "train": RoundParams(steps=900)},
         "what reaches the ratio in the rounds; half as much of the output layer",
         "900 shared by the rounds"),
        ({"per_round": None, "output_factor": 1.0, "train": None},
         "what reaches the ratio in the rounds; 1 of that of the output layer", "none needed"),
        ({"rounds": 0, "train": None}, "nothing", "none needed"),
    ],
)  # fmt: skip
def test_what_rounds_remove_is_said_as_it_was(
    changes: dict[str, Any], removed: str, steps: str | None
) -> None:
    """The first is the paper's, to the letter."""
    ticket = TicketSummary.model_construct(**{**PAPERS, **changes})
    assert removed_per_round([ticket]) == removed
    assert steps_before_a_pruning([ticket]) == (steps or "50,000 in every round")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "dvc.lock",
        "params.yaml",
        "report/summary.csv",
        "experiments/video/dvc.lock",
        "lthctl/report.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "start"]):
        subprocess.run(["git", *words], check=True)
    return tmp_path


def test_what_results_write_does_not_make_a_revision_another(repository: Path) -> None:
    clean = revision()
    assert (
        clean is not None
        and re.fullmatch("[0-9a-f]{40}", clean["commit"])
        and clean["changed"] == []
    )
    for name in ("dvc.lock", "report/summary.csv", "experiments/video/dvc.lock", "notes.txt"):
        (repository / name).write_text("2")
    assert revision() == clean


def test_changed_code_and_parameters_are_named(repository: Path) -> None:
    (repository / "params.yaml").write_text("2")
    (repository / "lthctl" / "report.py").write_text(
        "2"
    )  # a file called report is no folder of results
    found = revision()
    assert found is not None and found["changed"] == ["lthctl/report.py", "params.yaml"]


def test_no_repository_has_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert revision() is None


# --- assets


def test_d3_is_the_one_that_mpld3_carries(tmp_path: Path) -> None:
    """Its bytes are in the page with the line of its licence, its digest is in the policy; mpld3 is
    not imported."""
    (installed,) = (
        file for file in distribution("mpld3").files or () if file.match("js/d3.v5.min.js")
    )
    content = Path(str(installed.locate())).read_bytes()
    assert page.d3_script().encode() == content
    assert re.match(rb"// https://d3js.org v5\.\d+\.\d+ Copyright \d+ Mike Bostock\n", content)
    assert b"</script" not in content.lower() and b"<!--" not in content
    html = page_of(tiny_report(tmp_path))
    assert f"<script>{content.decode()}</script>" in html
    assert f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'" in html
    assert "mpld3" not in sys.modules


def test_no_d3_is_in_the_repository() -> None:
    assets = Path(page.__file__).parent / "page_assets"
    scripts = {f"{name}.js" for name in page.SCRIPTS}
    assert {path.name for path in assets.iterdir()} == {"page.html", "page.css", *scripts}
    assert all("d3js.org" not in path.read_text() for path in assets.iterdir())


def test_without_d3_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> str:
        with pytest.raises(ReportError) as caught:
            page.d3_script()
        return str(caught.value).replace(str(tmp_path), "")

    places = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    assert (
        refused()
        == "the page is drawn with d3, which mpld3 carries, and that is not installed: pip install mpld3"
    )
    monkeypatch.setattr(page, "find_spec", lambda name: places)
    assert refused().startswith(
        "/js/d3.v5.min.js: cannot be read ([Errno 2] No such file or directory"
    )
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "d3.v5.min.js").write_text("'</SCRIPT>'")
    assert (
        refused()
        == "/js/d3.v5.min.js: cannot stand in a page, as it holds </SCRIPT: pip install --force-reinstall mpld3"
    )


def test_assets_are_part_of_the_package() -> None:
    """Hatchling puts into a wheel what is in the package's folder and not ignored by git."""
    root = Path(page.__file__).parent.parent.parent
    names = [
        f"lthctl/reporting/page_assets/{name}"
        for name in ("page.html", "page.css", *(f"{name}.js" for name in page.SCRIPTS))
    ]
    assert all((root / name).is_file() for name in names)
    assert (
        subprocess.run(["git", "check-ignore", *names], cwd=root, capture_output=True).returncode
        == 1
    )


def test_lines_of_page_script_and_style_fit() -> None:
    for path in (Path(page.__file__).parent / "page_assets").iterdir():
        lines = path.read_text().splitlines()
        assert len(lines) <= 300, path.name
        assert [line for line in lines if len(line) > 100] == [], path.name


BUILT_IN = [
    "rewind",
    "reinit",
    "shuffle",
    "reinit-signs",
    "random-ticket",
    "other-mask",
    "finetune",
    "lr-rewind",
]


def test_every_control_has_a_symbol_of_its_own_on_the_page() -> None:
    markers = [CONTROLS.get(name).marker for name in BUILT_IN]
    assert len(set(markers)) == len(markers)
    words = Path(page.__file__).parent.joinpath("page_assets/words.js").read_text()
    symbols = words[words.index("const SYMBOLS") : words.index("};", words.index("const SYMBOLS"))]
    known = set(re.findall(r'^  "?([^\s":]+)"?:', symbols, re.MULTILINE))
    assert set(markers) <= known
