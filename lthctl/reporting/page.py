"""The report as one HTML file that opens from disk: data, style, script and d3 in it, nothing from
a network.

page_data.py says what it holds; how it looks and answers is in page_assets/. Names from files reach
the page as JSON that cannot close its element, and its script puts them there as text.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from lthctl.canonical import Json
from lthctl.errors import ReportError
from lthctl.reporting.answers import answers_of, rule_of
from lthctl.reporting.page_answers import answer_cards
from lthctl.reporting.page_claims import claims_html
from lthctl.reporting.page_data import group_data, thinning
from lthctl.reporting.page_stability import stability_html
from lthctl.reporting.reading import Report
from lthctl.reporting.styles import controls_for_page, methods_for_page
from lthctl.reporting.survivors import Survivors
from lthctl.reporting.unknowns import unknowns_of
from lthctl.reporting.whole_report import whole_report_sentence

SCRIPTS = (
    "words", "state", "document", "save", "charts", "labels", "learning", "sizes", "forests",
    "answers", "how_far", "how_much_sooner", "curves", "weights_or_mask", "axes", "runs",
    "selection", "masks", "kernels", "sparsity", "provenance", "main",
)  # fmt: skip
"""Files of page_assets/ in the order in which they make one script."""

STANDINS = {
    "first": ("answer",),
    "how-far": ("accuracy", "early_stop"),
    "how-much-sooner": ("curves",),
    "weights-or-mask": ("verdict",),
    "runs": ("parallel",),
    "masks": ("pixels",),
}
"""Section -> the figures that stand in where no script runs, as far as there are such."""

ALTERNATIVES = {
    "answer": "Learning curves of dense, ticket and controls, and accuracy minus dense over size",
    "accuracy": "Accuracy against weights left",
    "early_stop": "Early-stop step against weights left",
    "curves": "Learning curves",
    "verdict": "Paired differences of every ticket",
    "parallel": "Parallel coordinates of all runs",
    "pixels": "Surviving input weights per pixel",
}

DEFAULT_TITLE = "Lottery tickets"


def page_bytes(
    report: Report,
    survivors: Sequence[Survivors],
    provenance: Json,
    pictures: Mapping[str, bytes],
    left_out: Sequence[tuple[Path, str]],
    *,
    title: str | None = None,
    beside: Iterable[str] = (),
) -> bytes:
    """The page.

    Args:
      report: what it shows, all groups of it.
      survivors: of each group.
      provenance: see `provenance_of`.
      pictures: file name -> SVG, of the first group; they stand in where no script runs.
      left_out: folders of runs and tickets that could not be read, with the reason.
      title: what the page is called.
      beside: names of the files that are written beside it.
    """
    stride = thinning(report)
    keys = [experiment.key for group in report.groups for experiment in group.experiments]
    title = title or DEFAULT_TITLE
    data = {
        "title": title,
        "groups": [
            group_data(group, surviving, stride)
            for group, surviving in zip(report.groups, survivors, strict=True)
        ],
        "methods": methods_for_page(key.method for key in keys),
        "controls": controls_for_page(key.control for key in keys),
        "left_out": [_left_out(*one) for one in left_out],
        "provenance": provenance,
        "thinned": stride,
    }
    answers = answers_of(report.groups[0])
    assets = {
        path.name: path.read_text(encoding="utf-8")
        for path in (files("lthctl") / "reporting" / "page_assets").iterdir()
    }
    scripts = [d3_script(), "\n".join(assets[f"{name}.js"] for name in SCRIPTS)]
    parts = {
        "style": assets["page.css"],
        "d3": scripts[0],
        "script": scripts[1],
        "data": json_in_html(data),
        "answers": "".join(
            f"<li><p>{escape(card.question)}</p><p>{escape(card.sentence)}</p></li>"
            for card in answer_cards(answers)
        ),
        "unknown": "".join(f"<li>{escape(str(one))}</li>" for one in unknowns_of(answers)),
        "claims": claims_html(report.claims),
        "claims link": '<a href="#claims">Claims</a>' if report.claims else "",
        "stability": stability_html(report),
        "stability link": _stability_link(report),
        "whole report": escape(whole_report_sentence(answers) or ""),
        "rule": escape(rule_of(report.groups[0].params)),
        "title": escape(title),
        "group": escape(report.groups[0].title),
        "files": " ".join(f'<a href="{escape(name)}">{escape(name)}</a>' for name in beside),
        # Nothing may be loaded, and no script may run but these two: d3 and the page's own.
        "policy": "; ".join(
            [
                "default-src 'none'",
                "img-src data:",
                "style-src 'unsafe-inline'",
                "base-uri 'none'",
                "form-action 'none'",
                f"script-src {' '.join(map(_script_digest, scripts))}",
            ]
        ),
        **{
            f"standins {section}": _standins(names, pictures) for section, names in STANDINS.items()
        },
    }
    text = re.sub(r"\{\{([\w -]+)\}\}", lambda match: parts[match[1]], assets["page.html"])
    return text.encode(errors="replace")  # a name may hold bytes that are no text


def _stability_link(report: Report) -> str:
    has_any = any(group.joined for group in report.groups)
    return '<a href="#stability">Stability</a>' if has_any else ""


def d3_script() -> str:
    """d3 5 as mpld3 carries it, licence line and all. Only read: to import mpld3 would import
    pyplot."""
    again = "pip install --force-reinstall mpld3"
    package = find_spec("mpld3")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder) / "js" / "d3.v5.min.js"
        try:
            script = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ReportError(f"{path}: cannot be read ({error}): {again}") from None
        if ends := re.search("</script|<!--", script, re.IGNORECASE):
            raise ReportError(f"{path}: cannot stand in a page, as it holds {ends[0]}: {again}")
        return script
    raise ReportError(
        "the page is drawn with d3, which mpld3 carries, and that is not installed: pip install "
        "mpld3"
    )


def json_in_html(value: object) -> str:
    """JSON that can stand in a script element: nothing in it can close the element or open a
    comment."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    )
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _left_out(folder: Path, reason: str) -> Json:
    """A folder by the end of its path and why, without the places of this machine."""
    shown = str(Path(*folder.parts[-2:]) if folder.is_absolute() else folder)
    return {"folder": shown, "reason": reason.replace(str(folder), shown)}


def _script_digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _standins(names: Iterable[str], pictures: Mapping[str, bytes]) -> str:
    return "".join(
        f'<img class="standin" loading="lazy" alt="{ALTERNATIVES[name]}" src="{_address(svg)}">'
        for name in names
        if (svg := pictures.get(f"{name}.svg"))
    )


def _address(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
