"""Tables as LaTeX: rules of booktabs, text escaped, a mean and its interval in one cell.

What is in a table is said by its CSV file, so that neither has anything that the other lacks.
"""

import csv
import io
import re
from collections.abc import Sequence

UNKNOWN = "unknown"

MOST_ROWS = 40
"""Of a table that is kept on one page; a longer one is a `longtable`, which breaks."""

MOST_COLUMNS = 12
"""Of a table in a small font; a wider one has the next smaller."""

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # after a line's end it would be a length
    "]": "{]}",
    "*": "{*}",
    "`": "{`}",
    "$": r"$\mathdollar$",
    "±": r"$\pm$",
    "×": r"$\times$",
    **{character: f"\\{character}" for character in "&#_%"},
}


def escaped(text: str) -> str:
    """Any text as LaTeX that prints it, with any fonts. What is not ASCII is shown by its number,
    such as [U+4E2D]."""
    return re.sub("-(?=-)", "-{}", "".join(map(_escaped_character, text)))  # else it is a dash


def _escaped_character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if " " <= character <= "~":
        return character
    return " " if character.isspace() else f"{{[}}U+{ord(character):04X}{{]}}"


def table(content: bytes, caption: str, label: str, *, left_out: frozenset[str]) -> str:
    """A CSV file as a table. It needs the packages booktabs and longtable.

    Columns `x`, `x_low`, `x_high` and `x_n` become one, `x`. A column in which nothing is known
    is left out, and so is the number of the group where there is one group.

    Args:
      content: the file, with a header.
      caption: text, which is escaped here.
      label: what `\\ref` takes.
      left_out: names of columns that are in the CSV file alone.
    """
    reader = csv.DictReader(io.StringIO(content.decode()))
    rows = list(reader)
    shown = [name for name in _shown(reader.fieldnames or (), rows) if name not in left_out]
    right = [all(_is_number(row[name]) for row in rows if row[name]) for name in shown]
    lines = [" & ".join(_cell(row, name) for name in shown) + r" \\" for row in rows]
    head = " & ".join(_heading(name) for name in shown) + r" \\"
    form = "".join("r" if is_right else "l" for is_right in right)
    size = r"\scriptsize" if len(shown) > MOST_COLUMNS else r"\footnotesize"
    size += r"\setlength{\tabcolsep}{3pt}\setlength{\belowcaptionskip}{4pt}"
    title = rf"\caption{{{escaped(caption)}}}\label{{{label}}}"
    if len(rows) > MOST_ROWS:
        return "\n".join([
            r"\begingroup" + size + r"\setlength{\LTcapwidth}{\linewidth}",
            rf"\begin{{longtable}}{{@{{}}{form}@{{}}}}",
            title + r"\\", r"\toprule", head, r"\midrule", r"\endfirsthead",
            r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot",
            *lines, r"\end{longtable}", r"\endgroup", "",
        ])  # fmt: skip
    return "\n".join([
        r"\begin{table}", r"\centering" + size, title,
        rf"\begin{{tabular}}{{@{{}}{form}@{{}}}}", r"\toprule", head, r"\midrule",
        *lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
    ])  # fmt: skip


def figure(file: str, caption: str, label: str) -> str:
    """A figure of a file without its ending. It needs the package graphicx."""
    return "\n".join([
        r"\begin{figure}", r"\centering",
        rf"\includegraphics[width=\linewidth,height=.7\textheight,keepaspectratio]{{{file}}}",
        rf"\caption{{{escaped(caption)}}}\label{{{label}}}", r"\end{figure}", "",
    ])  # fmt: skip


def document(parts: Sequence[str]) -> str:
    """A document of some files, to look at all of them, and to see what they need."""
    return "\n".join([
        r"% In a document of your own: \graphicspath{{DIR/}} and \input{DIR/NAME}, with DIR of",
        "% these files. A table of many pages needs one column.",
        r"\documentclass[landscape]{article}",
        r"\usepackage[margin=12mm]{geometry}",
        r"\usepackage{booktabs,graphicx,longtable}",
        r"\begin{document}",
        *(rf"\input{{{part}}}\clearpage" for part in parts), r"\end{document}", "",
    ])  # fmt: skip


def _shown(header: Sequence[str], rows: Sequence[dict[str, str]]) -> list[str]:
    """The columns of a table: those that are no part of another, and hold something."""
    parts = {
        f"{name}_{end}"
        for name in header
        if f"{name}_low" in header
        for end in ("low", "high", "n")
    }
    groups = {row.get("group") for row in rows}
    return [
        name
        for name in header
        if name not in parts
        and any(row[name] not in ("", UNKNOWN) for row in rows)
        and not (name == "group" and len(groups) == 1)
    ]


def _cell(row: dict[str, str], name: str) -> str:
    """A value, with its interval and number in brackets where it has them."""
    low, high = (_number(row.get(f"{name}_{end}", ""), name) for end in ("low", "high"))
    inside = [f"{low} to {high}"] if low else []
    inside += [f"n {row[f'{name}_n']}"] if row.get(f"{name}_n") else []
    value = _number(row[name], name)
    return f"{value} ({', '.join(inside)})" if inside and value else value


def _number(text: str, name: str) -> str:
    """A value as the unit of its column says; text is escaped."""
    if not _is_number(text):
        return escaped(text)
    if re.fullmatch("-?[0-9]+", text):
        return _minus(f"{int(text):,}")
    value = float(text)
    scale, form = _unit(name)[1:]
    return _minus(f"{scale * value:{form}}")


def _minus(number: str) -> str:
    return number.replace("-", "$-$")


def _heading(name: str) -> str:
    unit = _unit(name)[0]
    return escaped(name.replace("_", " ")) + (f" ({escaped(unit)})" if unit else "")


def _unit(name: str) -> tuple[str, float, str]:
    """The unit of a column, what its values are multiplied by, and how they are written."""
    for pattern, unit in UNITS.items():
        if re.search(pattern, name):
            return unit
    return "", 1, ".4g"


UNITS: dict[str, tuple[str, float, str]] = {
    "step": ("", 1, ",.0f"),
    "^(size|kept|both|expected)$": ("", 1, ",.0f"),
    "log10": ("", 1, ",.1f"),
    "times": ("", 1, ".2f"),
    "difference$": ("points", 100, "+.2f"),
    "(accuracy|sparsity|density|desired|actual)$": ("%", 100, ".2f"),
}
"""Pattern in the name of a column -> its unit; the first that is found counts."""


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?", text) is not None
