"""The table and the chart of the league, from the records of its rounds."""

import re
import statistics
from pathlib import Path
from textwrap import fill
from typing import Any

from problems import DENSITIES, LARGEST, SHAPES

COLOURS = {
    "PyTorch": "#444444", "torch.compile": "#888888", "JAX": "#1b7837", "torch CSR": "#b35806",
    "sparselab": "#8073ac", "sparseprop": "#c51b7d", "sparseprop, batch 64": "#f1a0d0",
    "lthctl.SparseLinear": "#4393c3", "lthctl": "#08519c",
}  # fmt: skip
TITLES = {
    shape: f"{'-'.join(map(str, sizes))}, batch {batch}" for shape, (sizes, batch) in SHAPES.items()
}
OURS = ("lthctl", "lthctl.SparseLinear")


def latest(records: list[dict[str, Any]]) -> dict[tuple[str, float], dict[str, Any]]:
    """(shape, density) -> contender -> its last figures; steps of 64 samples as of the batch."""
    found: dict[tuple[str, float], dict[str, Any]] = {}
    for record in records:
        if record["shape"] not in SHAPES or record["batch"] != SHAPES[record["shape"]][1]:
            continue
        here = found.setdefault((record["shape"], record["density"]), {})
        for name, result in record["results"].items():
            scale = SHAPES[record["shape"]][1] / 64 if name.endswith("64") else 1.0
            if "median" in result:
                here[name] = {
                    "median": scale * result["median"],
                    "ratios": sorted(ratio / scale for ratio in result["ratios"]),
                }
            else:
                here[name] = result
    return found


def cell(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
    if "median" not in result:
        return "failed"
    ratios = result["ratios"]
    middle = statistics.median(ratios)
    digits = 1 if middle >= 10 else 2
    least, most = (f"{ratio:.{digits}f}" for ratio in (ratios[0], ratios[-1]))
    return f"{1e6 * result['median']:,.0f} ({middle:.{digits}f}; {least} to {most})"


def table(records: list[dict[str, Any]]) -> str:
    """Microseconds a step, and how many times as fast as PyTorch; median and range."""
    found, parts = latest(records), []
    for shape, title in TITLES.items():
        densities = [density for density in DENSITIES if (shape, density) in found]
        if not densities:
            continue
        head = " | ".join(f"{100 * density:g} %" for density in densities)
        lines = [f"| {title} | {head} |", "|---" * (1 + len(densities)) + "|"]
        for name in COLOURS:
            cells = [cell(found[shape, density].get(name)) for density in densities]
            if any(cells):
                lines.append(f"| {name} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def verdicts(records: list[dict[str, Any]]) -> list[str]:
    """A sentence for each place where a peer is faster than the engine, or failed."""
    said = []
    for (shape, density), here in latest(records).items():
        speeds = {n: statistics.median(r["ratios"]) for n, r in here.items() if "ratios" in r}
        ours = speeds.get("lthctl", 0.0)
        faster = [
            f"{name} ({speed / ours:.2f} times as fast)"
            for name, speed in speeds.items()
            if 0 < ours < speed and name not in OURS
        ]
        if faster:
            said.append(
                f"- {TITLES[shape]} with {100 * density:g} % of the weights: faster than lthctl is "
                f"{', '.join(faster)}."
            )
        for name, result in here.items():
            if "median" not in result:
                said.append(f"- {name} failed at {TITLES[shape]}, {100 * density:g} %.")
    return said or ["No peer is faster than the engine anywhere."]


def about(records: list[dict[str, Any]]) -> str:
    loads = [record["load"] for record in records]
    rounds = sorted({record["rounds"] for record in records})
    departs = [
        result["departs"]
        for record in records
        for result in record["results"].values()
        if "median" in result
    ]
    return (
        f"On {records[-1]['machine']}: one core, medians of {'/'.join(map(str, rounds))} rounds. "
        f"The load was {min(loads):.1f} to {max(loads):.1f} before each network. "
        "Losses of the first 20 steps "
        f"differ from PyTorch's by at most {max(departs):.1g} of the loss."
    )


def draw(records: list[dict[str, Any]], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    found = latest(records)
    shapes = [shape for shape in SHAPES if any(key[0] == shape for key in found)]
    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "league"}):
        figure = Figure(figsize=(9, 7), layout="constrained")
        axes = list(figure.subplots(2, 2).flat)
        for shape, axis in zip(shapes, axes, strict=False):
            for name, colour in COLOURS.items():
                points = [
                    (100 * density, 1e6 * found[shape, density][name]["median"])
                    for density in DENSITIES
                    if "median" in found.get((shape, density), {}).get(name, {})
                ]
                if points:
                    axis.plot(
                        *zip(*points, strict=True),
                        marker="o",
                        markersize=3,
                        color=colour,
                        label=name,
                        linewidth=2.2 if name in OURS else 1.1,
                    )
            axis.set(xscale="log", yscale="log", title=TITLES[shape])
            axis.set_xticks([100 * density for density in DENSITIES])
            axis.set_xticklabels([f"{100 * density:g}" for density in DENSITIES])
            axis.minorticks_off()
            axis.invert_xaxis()
            axis.grid(True, which="both", alpha=0.2)
        for axis in axes[len(shapes) :]:
            axis.set_visible(False)
        figure.supxlabel("weights left in all layers but the last, %")
        figure.supylabel("a training step on one core, µs")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=5, frameon=False)
        figure.savefig(path, metadata={"Date": None}, format="svg")


def write(records: list[dict[str, Any]], docs: Path) -> None:
    """Put what was measured into PERFORMANCE.md, between its marks, and beside it the chart."""
    draw(records, docs / "league.svg")
    said = "\n".join(fill(sentence, 100, subsequent_indent="  ") for sentence in verdicts(records))
    picture = "![a training step of each contender](league.svg)"
    inside = "\n\n".join([fill(about(records), 100), said, picture, table(records)])
    put(inside, "league", docs / "PERFORMANCE.md")


def write_sizes(records: list[dict[str, Any]], docs: Path) -> None:
    """Put into PERFORMANCE.md how many times as fast as PyTorch lthctl is, for every size, batch
    and density that was measured."""
    found = {
        (record["shape"], record["batch"], record["density"]): record["results"]["lthctl"]
        for record in records
    }
    densities = sorted({density for _, _, density in found}, reverse=True)
    head = " | ".join(f"{100 * density:g} %" for density in densities)
    lines = [f"| MLP | batch | {head} |", "|---" * (2 + len(densities)) + "|"]
    for shape, (sizes, _) in (SHAPES | LARGEST).items():
        for batch in sorted({batch for name, batch, _ in found if name == shape}):
            results = (found.get((shape, batch, density)) for density in densities)
            cells = " | ".join(times(result) for result in results)
            lines.append(f"| {'-'.join(map(str, sizes))} | {batch} | {cells} |")
    inside = "\n\n".join([fill(about(records), 100), "\n".join(lines)])
    put(inside, "sizes", docs / "PERFORMANCE.md")


def times(result: dict[str, Any] | None) -> str:
    """The median of the ratios, and the least of them."""
    if result is None:
        return ""
    if "ratios" not in result:
        return "failed"
    middle = statistics.median(result["ratios"])
    digits = 1 if middle >= 10 else 2
    return f"{middle:.{digits}f} ({min(result['ratios']):.{digits}f})"


def put(inside: str, name: str, page: Path) -> None:
    """Replace what stands between two marks of a page."""
    marks = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    text, count = re.subn(
        marks, lambda m: f"{m[1]}\n{inside}\n\n{m[2]}", page.read_text(), flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"{page}: has no place for the table, <!-- {name} --> to <!-- /{name} -->")
    page.write_text(text)
