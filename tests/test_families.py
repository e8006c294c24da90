"""Families: a member that is added in a test goes the whole way, and every mistake has its
message."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lthctl import families
from lthctl.cli.app import app
from lthctl.errors import ParamsError
from lthctl.families import (
    FAMILIES,
    MODELS,
    SCORES,
    Family,
    choices,
    is_own,
    nearest,
    trust,
)

pytestmark = pytest.mark.usefixtures("families_as_before")


Families = list[Family[Any]]


def lthctl(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def done(*words: str) -> Result:
    result = lthctl(*words)
    assert result.exit_code == 0, (words, result.output)
    return result


def refusal(*words: str, code: int = 2) -> str:
    result = lthctl(*words)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("Error: ")
    return " ".join(result.stderr.removeprefix("Error: ").split())


def refused(family: Family[Any], name: str) -> str:
    with pytest.raises(ParamsError) as error:
        family.get(name)
    return str(error.value)


# ---- names ----


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("resnet21", "resnet20"), ("resnet40", "resnet44"), ("ResNet-18", "resnet20"), ("VGG-19", "vgg19"), ("vgg", "vgg11"),
        ("Conv-4", "conv4"), ("conv3", "conv2"), ("LeNet-300-100", "lenet-300-100"), ("xyz", None),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_what_was_meant(given: str, meant: str | None) -> None:
    """Where several names are as like, with the one that begins the same."""
    assert nearest(given, MODELS.names()) == meant
    assert f"model: is {given!r}{f'; did you mean {meant!r}?' if meant else ', expected'}" in (
        refused(MODELS, given)
    )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.noun)
def test_every_built_in_member_is_there(family: Family[Any]) -> None:
    for name in family.names():
        assert family.get(name) is family.get(name) is family.known(name)
        assert family.source_digest(name) is None


def test_listing_imports_nothing() -> None:
    program = (
        "import sys; from lthctl.families import FAMILIES\n"
        "assert all(family.names() for family in FAMILIES)\n"
        "print(sorted(name for name in sys.modules if name.startswith('lthctl.')), 'numpy' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout == (
        "['lthctl.errors', 'lthctl.families', 'lthctl.families.family', "
        "'lthctl.families.members', 'lthctl.families.nearest', 'lthctl.families.own_code'] False\n"
    )


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("a:b", True),
        ("my_package.scores.deep:Taylor2", True),
        ("a:", False),
        (":b", False),
        ("a:b:c", False),
        ("a..b:c", False),
        (".a:b", False),
        ("../a:b", False),
        ("a/b:c", False),
        ("a:b.c", False),
        ("a:b\n", False),
        ("1a:b", False),
        ("a-b:c", False),
        ("ä:b", False),
        ("a" * 65 + ":b", False),
        ("a.a.a.a.a.a.a.a.a:b", False),
        ("l1", False),
    ],
)
def test_names_with_a_colon(name: str, own: bool) -> None:
    assert is_own(name) is own


def test_choices() -> None:
    assert choices(("a",)) == "'a'"
    assert choices(("a", "b", "c")) == "'a', 'b' or 'c'"


# ---- mistakes ----


def test_a_name_that_is_none() -> None:
    assert refused(SCORES, "l3") == (
        "method: is 'l3', expected 'l1', 'random', 'magnitude-init', 'magnitude-increase', 'snip', 'grasp', 'synflow' or 'erk', or your own as module:name, such as "
        "mypackage.scores:taylor"
    )
    for name in ("a:b:c", "a:", "../x:y"):
        assert refused(SCORES, name) == (
            f"method: is {name!r}, expected module:name, such as mypackage.scores:taylor"
        )


def test_what_lies_beside_own_code_takes_no_installed_package_s_place(here: Path) -> None:
    """The folder of one's own code is the last that is searched."""
    sys.modules.pop("sched", None)
    (here / "sched.py").write_text("raise SystemExit('it ran')")
    (here / "own_imports.py").write_text(
        "import sched\n\ndef score(context):\n    return sched.scheduler\n"
    )
    trust("own_imports:score")
    assert SCORES.get("own_imports:score") is not None
    assert str(here) not in str(sys.modules["sched"].__file__)


def test_own_code_is_found_whatever_is_installed_under_its_name(here: Path) -> None:
    sys.modules.pop("mailcap", None)
    (here / "mailcap.py").write_text("def score(context):\n    return {}\n")
    trust("mailcap:score")
    assert SCORES.get("mailcap:score") is not None
    del sys.modules["mailcap"]


def test_code_that_nobody_vouched_for_is_not_run(here: Path) -> None:
    (here / "own_untrusted.py").write_text("raise SystemExit('it ran')")
    assert refused(SCORES, "own_untrusted:score") == (
        "method own_untrusted:score: is somebody's own code, which is not run unasked; if you "
        "trust it, say so with --trust own_untrusted:score, or name it in params.yaml"
    )
    assert SCORES.known("own_untrusted:score") is None
    assert "own_untrusted" not in sys.modules


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        (
            "own_nowhere:score",
            None,
            "there is no module 'own_nowhere', neither in {here} nor among the installed packages",
        ),
        (
            "own_module.part:score",
            "",
            "there is no module 'own_module.part', neither in {here} nor among the installed packages",
        ),
        (
            "own_module:score",
            "import own_missing",
            "the module own_module needs 'own_missing', which is not installed; install it",
        ),
        (
            "own_module:score",
            "1 / 0",
            "the module own_module cannot be imported (ZeroDivisionError: division by zero); mend it",
        ),
        (
            "own_module:score",
            "def score(context:",
            "the module own_module cannot be imported (SyntaxError: '(' was never closed "
            "(own_module.py, line 1)); mend it",
        ),
        (
            "own_module:score",
            "raise SystemExit(3)",
            "the module own_module cannot be imported (SystemExit: 3); mend it",
        ),
        (
            "own_module:tailor",
            "def taylor(context): ...",
            "the module own_module has no 'tailor'; did you mean 'taylor'?",
        ),
        (
            "own_module:score",
            "def fisher(context): ...\ndef snip(context): ...",
            "the module own_module has no 'score'; it has fisher, snip",
        ),
        ("own_module:score", "", "the module own_module has no 'score'; it has nothing"),
        (
            "own_module:score",
            "score = 'l1'",
            "is of type str, expected a function of one parameter, the context, or a "
            "lthctl.lottery.scores.Score",
        ),
        (
            "own_module:score",
            "class score: ...",
            "is the class score, expected a function of one parameter, the context, or a "
            "lthctl.lottery.scores.Score",
        ),
        (
            "own_module:score",
            "def score(weights, stream): ...",
            "is of type function, expected a function of one parameter, the context, or a "
            "lthctl.lottery.scores.Score (missing a required argument: 'stream')",
        ),
    ],
)
def test_a_score_of_ones_own_that_cannot_be_had(
    here: Path, name: str, source: str | None, said: str
) -> None:
    if source is not None:
        (here / "own_module.py").write_text(source)
    trust(name)
    assert refused(SCORES, name) == f"method {name}: {said.format(here=here)}"


def test_a_module_without_source_is_refused() -> None:
    trust("math:sqrt")
    assert refused(SCORES, "math:sqrt") == (
        "method math:sqrt: the module math has no source file, which is part of the identity; "
        "write it in Python"
    )


def adding(name: str, member: object) -> str:
    with pytest.raises(ParamsError) as error:
        SCORES.add(name, member)
    return str(error.value)


def test_what_cannot_be_added() -> None:
    def score(context: object) -> None: ...

    SCORES.add("topk-noise", score)
    assert adding("l1", score) == "method: there is a 'l1' already; choose another name"
    assert adding("topk-noise", score) == (
        "method: there is a 'topk-noise' already; choose another name"
    )
    assert adding("dense", score) == "method: 'dense' means something else; choose another name"
    assert adding("../x", score) == (
        "method: is '../x', expected lower-case letters, digits and underscores"
    )
    assert adding("seven", 7) == (
        "method seven: is of type int, expected a function of one parameter, the context, or a "
        "lthctl.lottery.scores.Score"
    )
    program = "SCORES.add('from-nowhere', score)"
    with pytest.raises(ParamsError) as error:
        exec(compile(program, "<stdin>", "exec"), {"SCORES": SCORES, "score": score})
    assert str(error.value) == (
        "method: 'from-nowhere' is added from no file; put it into a module, whose source is part "
        "of the identity"
    )
    assert SCORES.names()[:2] == ("l1", "random") and SCORES.names()[-1] == "topk-noise"
    assert SCORES.order("topk-noise") < SCORES.order("another")


def test_two_threads_that_import_the_same_module_both_get_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_slow.py").write_text(
        "import time\ntime.sleep(0.1)\ndef score(context):\n    return {}\n"
    )
    name = "own_slow:score"
    families.trust(name)
    both = Barrier(2)

    def get(_: int) -> object:
        both.wait()
        return SCORES.get(name)

    with ThreadPoolExecutor(2) as threads:
        members = list(threads.map(get, range(2)))
    assert members[0] is members[1]
    forget(SCORES, name)


# ---- scores ----


def documents(folder: str, name: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(Path(folder).rglob(name))]


ASKED = ("--ratio", "0.5", "--rounds", "2", "--seed", "1", "--quiet")


# ---- identity ----


def forget(family: Family[Any], name: str) -> None:
    """As in another process."""
    family._members.pop(name, None)
    family._sources.pop(name, None)
    sys.modules.pop(name.partition(":")[0], None)
