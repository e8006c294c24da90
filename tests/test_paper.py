"""What a paper takes: figures in three formats, tables in LaTeX, and captions that hold n and
method."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lthctl.artifacts.run import save_run
from lthctl.cli.app import app
from lthctl.reporting.answer_files import answer_files
from lthctl.reporting.captions import FIGURES, TABLES, figure_caption, table_caption
from lthctl.reporting.latex import MOST_ROWS, document, escaped, table
from lthctl.reporting.paper import paper_files
from lthctl.reporting.survivors import Survivors, survivor_files
from lthctl.reporting.tables import csv_bytes, report_files

from .test_report import DENSE_TICKET, make_run, replicates, unread_report

NONE = Survivors((), (), (), ())
HOSTILE = "\\input{/etc/passwd}%&$#_^~`--[2]"
ALWAYS_DRAWN = FIGURES.keys() - {"stability"}  # which needs connections

RUNS = [
    *replicates(DENSE_TICKET, [0.975, 0.98, 0.981]),
    *replicates(("l1", 0.5, 1), [0.976, 0.981, 0.983]),
    *replicates(("l1", 0.5, 1), [0.97, 0.971, 0.972], control="reinit"),
    *replicates((HOSTILE, 0.8, 1), [0.90, 0.91, 0.92]),
]


@cache
def files() -> Mapping[str, bytes]:
    return paper_files(unread_report(*RUNS), [NONE])


# ---- LaTeX ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("l1-r0.80", "l1-r0.80"),
        ("50 % & more_", r"50 \% \& more\_"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("$a^2~#", r"$\mathdollar$a\textasciicircum{}2\textasciitilde{}\#"),
        ('<"a|b`>', r"\textless{}''a\textbar{}b{`}\textgreater{}"),
        ("a---b", "a-{}-{}-b"),
        ("[2pt]*", "{[}2pt{]}{*}"),
        ("±×", r"$\pm$$\times$"),
        ("a\n\tb\x00é中", "a  b{[}U+0000{]}{[}U+00E9{]}{[}U+4E2D{]}"),
    ],
)
def test_text_is_escaped(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_a_mean_and_its_interval_are_one_cell() -> None:
    header = [
        "group",
        "method",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "step",
        "best_difference",
    ]
    header += [
        "best_difference_low",
        "best_difference_high",
        "best_difference_n",
        "nothing",
        "hidden",
    ]
    content = csv_bytes(header, [
        [1, "l_1", 0.98284, 0.982, 0.9837, 12500.0, -0.0005, -0.0013, 0.0003, 5, None, "unknown", 1],
        [1, "dense", 0.5, None, None, 250, None, None, None, None, None, "unknown", 2],
    ])  # fmt: skip
    assert table(content, "Of 5 %", "tab:x", left_out=frozenset({"hidden"})).splitlines()[3:] == [
        r"\begin{tabular}{@{}lrrr@{}}",
        r"\toprule",
        r"method & accuracy (\%) & step & best difference (points) \\",
        r"\midrule",
        r"l\_1 & 98.28 (98.20 to 98.37) & 12,500 & $-$0.05 ($-$0.13 to +0.03, n 5) \\",
        r"dense & 50.00 & 250 &  \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_a_long_table_breaks_over_pages() -> None:
    content = csv_bytes(
        ["group", "n"], [[number % 2 + 1, number] for number in range(MOST_ROWS + 1)]
    )
    text = table(content, "c", "tab:x", left_out=frozenset())
    assert r"\begin{longtable}{@{}rr@{}}" in text and text.count("group & n") == 2  # on every page
    assert r"\begin{table}" not in text


def test_every_figure_and_table_has_a_caption() -> None:
    report = unread_report(*RUNS)
    tables = {**report_files(report), **answer_files(report), **survivor_files([NONE])}
    names = {name.removesuffix(".csv") for name in tables if name.endswith(".csv")}
    only_where_asked = {"claims", "stability"}
    assert names - {"curves", "pixels"} | only_where_asked == set(TABLES)  # the first two are drawn
    for name in FIGURES:
        caption = figure_caption(name, report)
        assert "n = 3 seeds an experiment, 12 runs: digits" in caption and "{" not in caption
    for name in ("summary", "ladders", "verdicts"):
        caption = table_caption(name, report)
        assert "two-sided 95 % t intervals" in caption and "0.2 points" in caption
        assert "paired by seed" in caption


def test_captions_say_where_n_differs_and_name_every_group() -> None:
    other = make_run(("l1", 0.5, 1), train={**make_run().train.model_dump(mode="json"), "lr": 0.5})
    report = unread_report(*RUNS[:5], other)
    caption = table_caption("summary", report)
    assert "Group 1: n = 2 to 3 seeds an experiment, 5 runs: digits" in caption
    assert "Group 2: n = 1 seed an experiment, 1 runs" in caption


# ---- files ----


@pytest.mark.long
def test_every_figure_comes_in_three_formats_without_dates() -> None:
    starts = {"svg": b"<?xml", "pdf": b"%PDF-", "png": b"\x89PNG"}
    for name in ALWAYS_DRAWN:
        for format, start in starts.items():
            content = files()[f"{name}.{format}"]
            assert content.startswith(start)
            assert not re.search(rb"CreationDate|ModDate|tIME|<dc:date|Producer|Software", content)
        assert b"/Type3" not in files()[f"{name}.pdf"]
    width = int.from_bytes(files()["answer.png"][16:20], "big")
    assert width == 300 * 12.5
    drawn = {name.partition(".")[0] for name in files() if name.endswith(".svg")}
    assert drawn == set(ALWAYS_DRAWN)


@pytest.mark.long
def test_every_part_is_in_the_document_and_well_formed() -> None:
    texts = {name: content.decode() for name, content in files().items() if name.endswith(".tex")}
    parts = [name.removesuffix(".tex") for name in texts if name != "paper.tex"]
    assert re.findall(r"\\input\{(\w+)\}", texts["paper.tex"]) == parts
    assert f"figure_{next(iter(FIGURES))}" in parts and "table_summary" in parts
    for name, text in texts.items():
        plain = re.sub(r"\\[\\{}%&$#_]|^%.*$", "", text, flags=re.MULTILINE)
        assert plain.count("{") == plain.count("}") and plain.isascii()
        begun, ended = (re.findall(rf"\\{word}\{{(\w+)\}}", text) for word in ("begin", "end"))
        assert sorted(begun) == sorted(ended)
        if name.startswith("table"):
            (form,) = re.findall(r"\{@\{\}([lr]+)@\{\}\}", text)
            rows = [line for line in text.splitlines() if line.endswith(r" \\")]
            cells = {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows}
            assert cells == {len(form)}
            assert f"{name.removeprefix('table_').removesuffix('.tex')}.csv" in files()
        if name != "paper.tex":
            assert r"\label{" in text and "n = 3 seeds" in text
    assert r"\input{/etc" not in "".join(texts.values())
    assert r"\textbackslash{}input\{/etc/passwd\}" in texts["table_summary.tex"]
    assert files()["captions.md"].decode().count("n = 3 seeds") == len(parts)


@pytest.mark.long
def test_another_process_saves_the_same_bytes() -> None:
    program = (
        "import hashlib\n"
        "from lthctl.reporting.drawing import own_defaults\n"
        "from lthctl.reporting.figure_curves import accuracy_figure\n"
        "from lthctl.reporting.figures import _saved\n"
        "from tests.test_paper import RUNS, unread_report\n"
        "with own_defaults():\n"
        "    figure = accuracy_figure(unread_report(*RUNS[:6]).groups[0])\n"
        "    for format in 'pdf', 'png', 'svg': print(hashlib.sha256(_saved(figure, format)).hexdigest())"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent.parent), "TZ": zone},
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    ]  # fmt: skip
    assert said[0] == said[1] and len(said[0].split()) == 3


@pytest.mark.long
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX")
def test_latex_compiles_it(tmp_path: Path) -> None:
    for name, content in files().items():
        (tmp_path / name).write_bytes(content)
    command = [
        "pdflatex",
        "-interaction=nonstopmode",
        "-halt-on-error",
        "-no-shell-escape",
        "paper.tex",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000


@pytest.mark.long
def test_the_command_writes_into_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, run in enumerate(RUNS[:6]):
        save_run(run, tmp_path / "runs" / str(number))
    result = CliRunner().invoke(app, ["report", "--paper", "p"])
    assert result.exit_code == 0, result.output
    assert "Written to p: figures, tables and captions; paper.tex shows all" in " ".join(
        result.stdout.split()
    )
    assert not [
        path for path in Path("report").iterdir() if path.suffix in (".tex", ".pdf", ".png")
    ]
    for name in ALWAYS_DRAWN:  # which are the same in both
        assert Path("p", f"{name}.svg").read_bytes() == Path("report", f"{name}.svg").read_bytes()


def test_the_document_says_what_it_needs() -> None:
    text = document(["figure_a"])
    assert r"\usepackage{booktabs,graphicx,longtable}" in text and r"\input{figure_a}" in text
