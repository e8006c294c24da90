"""The tutorial's code runs as it stands there, and prints what stands there."""

import contextlib
import io
import re
from pathlib import Path

import pytest
import torch

TUTORIAL = Path(__file__).parent.parent / "docs" / "TUTORIAL.md"


def blocks(text: str) -> list[tuple[str, str, int]]:
    """Language, content and line of every fenced block."""
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(match[1], match[2], text[: match.start()].count("\n") + 2) for match in found]


@pytest.mark.long
def test_the_tutorial_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "tutorial"}
    found = blocks(TUTORIAL.read_text())
    assert {language for language, _, _ in found} == {"python", "text"}
    with torch.random.fork_rng():
        for index, (language, code, line) in enumerate(found):
            if language != "python":
                continue
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * (line - 1) + code, str(TUTORIAL), "exec"), names)
            following = found[index + 1] if index + 1 < len(found) else ("", "", 0)
            expected = following[1] if following[0] == "text" else ""
            assert printed.getvalue() == expected, f"{TUTORIAL.name}:{line}"
