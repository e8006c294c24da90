"""What people read: lines that fit, sentences that can be read once, links and commands that exist."""

import re
from functools import cache
from pathlib import Path

import pytest
import typer

from lthctl.cli.app import app
from lthctl.params import SECTIONS

from .test_imports import ROWS

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/*.md")],
    key=lambda path: str(path),
)
README = (ROOT / "README.md").read_text()
MOST_COLUMNS, MOST_WORDS = 100, 24


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def without_fences(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def prose(text: str) -> list[tuple[int, str]]:
    """Paragraphs and list items with the number of their first line; no code, tables, headings."""
    found: list[tuple[int, str]] = []
    fenced, open_item, begun = False, False, False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        item = re.match(r"\s*([-*]|\d+\.)\s+", line)
        code = line.startswith("    ") and not item and not open_item
        if fenced or not line.strip() or line.startswith(("#", "|", "<!--", "```")) or code:
            begun = False
            open_item = open_item and bool(line.strip())
            continue
        if item or not begun:
            found.append((number, line.strip().removeprefix(item.group().strip() if item else "")))
            begun, open_item = True, bool(item)
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
    return found


def sentences(text: str) -> list[tuple[int, str]]:
    ends = re.compile(r"(?<=[.!?])[)\"*]*\s+(?=[\"(`*\[A-Z0-9])")
    return [(line, part) for line, whole in prose(text) for part in ends.split(whole)]


def words(sentence: str) -> int:
    spoken = re.sub(r"`[^`]*`|\]\([^)]*\)", " x ", sentence)
    return len([word for word in spoken.split() if re.search(r"\w", word)])


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_lines_fit(page: Path) -> None:
    long, fenced = [], False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fenced ^= line.startswith("```")
        if len(line) > MOST_COLUMNS and not fenced and not line.startswith(("|", "    ")):
            long.append(f"{named(page)}:{number}: {len(line)} columns")
    assert long == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_sentences_can_be_read_once(page: Path) -> None:
    long = [
        f"{named(page)}:{line}: {words(sentence)} words: {sentence}"
        for line, sentence in sentences(page.read_text())
        if words(sentence) > MOST_WORDS
    ]
    assert long == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", without_fences(page.read_text()))
    missing = [
        target
        for target in targets
        if "://" not in target and not (page.parent / target).resolve().exists()
    ]
    assert missing == []


@cache
def flags_of_commands() -> dict[tuple[str, ...], set[str]]:
    """The words of every command -> its flags."""
    found: dict[tuple[str, ...], set[str]] = {}

    def walk(command: object, path: tuple[str, ...]) -> None:
        found[path] = {flag for parameter in command.params for flag in parameter.opts}  # type: ignore[attr-defined]
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*path, name))

    walk(typer.main.get_command(app), ())
    return found


COMING: set[str] = set()  # commands and flags on their way
TYPED = re.compile(r"`(lthctl(?: [^`]+)?)`|^    (lthctl .+)$", re.MULTILINE)
"""Code in backticks, and indented lines."""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_exist(page: Path) -> None:
    known, wrong = flags_of_commands(), []
    for line in (one or other for one, other in TYPED.findall(without_fences(page.read_text()))):
        typed = re.split(r"\s+#|;|&&", line)[0].split()[1:]
        command: tuple[str, ...] = ()
        while typed and (*command, typed[0]) in known:
            command = (*command, typed.pop(0))
        if not command and typed and typed[0].islower() and typed[0].isalpha():
            wrong.append(f"lthctl {typed[0]}")
        wrong += [
            f"lthctl {' '.join(command)}: {flag}"
            for flag in (word.strip("[]") for word in typed)
            if re.fullmatch(r"--?[a-z][a-z-]*", flag)
            and flag not in known[command] | known[()] | {"--help"}
        ]
    assert set(wrong) <= COMING


def test_the_tree_is_that_of_the_code() -> None:
    """The tree in ARCHITECTURE.md: a line for every package, its modules below it."""
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    tree = text.split("<!-- tree -->")[1].split("<!-- /tree -->")[0]
    shown: set[str] = set()
    path: list[tuple[int, str]] = []
    for line in tree.splitlines():
        code = line.split("#")[0]
        depth = len(code) - len(code.lstrip())
        names = code.split()
        if len(names) == 1 and names[0].endswith("/"):
            path = [(d, name) for d, name in path if d < depth] + [(depth, names[0])]
            shown.add("".join(name for _, name in path))
        elif names and names[0].endswith(".py"):
            shown |= {f"lthctl/{name}" for name in names}
        else:
            shown |= {"".join(name for _, name in path) + f"{name}.py" for name in names}
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "lthctl").rglob("*.py")
        if not path.stem.startswith("__")
    }
    there |= {
        path.relative_to(ROOT).parent.as_posix() + "/" for path in (ROOT / "lthctl").rglob("*.*")
    }
    there = {name for name in there if "__pycache__" not in name}
    assert sorted(shown ^ there) == []


def test_the_column_of_imports_is_that_of_the_code() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text().split("## Who may import whom")[1]
    column = re.findall(r"^    (\w.*)$", text.split("##")[0].replace(",\n   ", ","), re.MULTILINE)
    assert [set(row.split(", ")) for row in reversed(column)] == ROWS[:-1]


def test_the_readme_shows_what_people_type() -> None:
    typed = re.findall(r"^    ((?:dvc|lthctl) .*?)(?:  +#.*)?$", README, re.MULTILINE)
    assert typed[:4] == [
        "dvc repro",
        "lthctl prune --method l1 --ratio 0.8 --out masks/",
        "lthctl retrain masks/ --reinit",
        "lthctl report",
    ]


def test_these_checks_see_what_they_should() -> None:
    text = "A short one. " + "Word " * 40 + "\n\n- " + "item " * 31 + "\n\n    " + "code " * 50
    assert [words(sentence) for _, sentence in sentences(text)] == [3, 40, 31]
    assert "--out" in flags_of_commands()[("prune",)]
    assert TYPED.findall("`lthctl store check`\n    lthctl report    # all\n") == [
        ("lthctl store check", ""),
        ("", "lthctl report    # all"),
    ]


def named_in_docs(name: str) -> bool:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    return any(re.search(rf"{re.escape(name)}(?![\w-])", page.read_text()) for page in pages)


def test_every_flag_is_in_the_documents() -> None:
    of_the_shell = {"--install-completion", "--show-completion", "--help"}
    flags = {flag for one in flags_of_commands().values() for flag in one}
    long = {flag for flag in flags if flag.startswith("--")} - of_the_shell
    assert not [flag for flag in sorted(long) if not named_in_docs(flag)]


def test_every_parameter_is_in_the_documents() -> None:
    text = (ROOT / "docs" / "COMMANDS.md").read_text()
    for name, section in SECTIONS.items():
        items = re.findall(rf"^- \*\*{name}\*\*.*?(?=^- |^#)", text, re.DOTALL | re.MULTILINE)
        said = set(re.findall(r"`(\w+)[`:]", "".join(items)))
        assert section.model_fields.keys() - said == set()
