"""Where the steps of the sparse engine stand against the limits of this machine.

    make roofline                 # or: python benchmarks/roofline.py --data data/mnist

The limits are measured first: multiplications and additions in registers, and reading from each
cache and from memory. Then steps of the four networks of the league are timed. A step's useful
arithmetic is that of the weights that are left; what a dense first layer passes over, pixels that
are 0, is no work. Its traffic is what it must move at least once: weights and moments, read and
written, the positions of weights, and activations and their gradients.
"""

import argparse
import os
import re
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from lthctl.training.sparse.kernels.compiling import cached
from lthctl.training.sparse.kernels.network import Floats
from lthctl.training.sparse.kernels.processor import LANES, POSITIONS
from lthctl.training.sparse.kernels.strips import position_sums
from lthctl.training.sparse.kernels.vectors import add, load_all, multiply_add, spread, store
from lthctl.training.sparse.layout import CROSSOVER

sys.path.insert(0, str(Path(__file__).parent / "league"))
from contenders import engine
from problems import DENSITIES, SHAPES, Problem, make

BLOCK = POSITIONS * LANES
LEVELS = {"first-level cache": 2**14, "second-level": 2**18, "third-level": 2**22, "memory": 2**28}
"""Bytes that fit there on most processors."""


@cached
def fused(count: int, numbers: Floats) -> None:
    """Multiplications and additions of sums that stay in registers."""
    sums = load_all(position_sums(), numbers, 0)
    for _ in range(count):
        sums = multiply_add(sums, spread(np.float32(0.5)), spread(np.float32(0.25)))
    store(numbers, 0, sums)


@cached
def read(count: int, numbers: Floats, result: Floats) -> None:
    sums = position_sums()
    for _ in range(count):
        for k in range(0, len(numbers), BLOCK):
            sums = add(sums, load_all(sums, numbers, k))
    store(result, 0, sums)


def best(work: Callable[[], object], rounds: int = 7) -> float:
    """The least seconds: a limit is what the machine can do when nobody disturbs it."""
    work()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def limits() -> tuple[float, dict[str, float]]:
    """Flops a second, and bytes a second from each level."""
    few, count = np.ones(BLOCK, np.float32), 1_000_000
    peak = 2 * BLOCK * count / best(lambda: fused(count, few))
    speeds = {}
    for level, size in LEVELS.items():
        memory = np.ones(size + 64, np.uint8)  # zeros would be one page, read again and again
        start = -memory.ctypes.data % 64
        numbers = memory[start : start + size].view(np.float32)
        times = max(1, 2**27 // size)
        seconds = best(lambda numbers=numbers, times=times: read(times, numbers, few))
        speeds[level] = size * times / seconds
    return peak, speeds


def work_of(problem: Problem) -> tuple[float, float]:
    """Flops and bytes of a step."""
    batch = problem.order.shape[1]
    flops = moved = 0.0
    for i, (inputs, outputs) in enumerate(pairwise(problem.sizes)):
        kept = int(problem.masks[i].sum())
        in_full = kept > CROSSOVER * inputs * outputs
        stored = inputs * outputs if in_full else kept
        lit = float((problem.images != 0).mean()) if i == 0 and in_full else 1.0
        products = 2 if i == 0 else 3
        flops += 2 * products * kept * batch * lit + 12 * stored
        moved += 4 * stored * (6 + products) + (0 if in_full else 4 * products * stored)
        moved += 4 * batch * (inputs * lit * products + 3 * outputs)
    return flops, moved


def step_seconds(problem: Problem, rounds: int, seconds: float) -> float:
    steps = engine(problem)
    first, count, times = 0, 2, []
    for number in range(rounds + 2):
        begin = time.perf_counter()
        steps(first, count)
        taken = (time.perf_counter() - begin) / count
        first += count
        if number < 2:
            count = max(2, int(seconds / taken))
        else:
            times.append(taken)
    return statistics.median(times)


def draw(peak: float, speeds: dict[str, float], rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "roofline"}):
        figure = Figure(figsize=(8, 5.5), layout="constrained")
        axis = figure.subplots()
        x = np.geomspace(0.3, 40, 200)
        for i, (level, speed) in enumerate(speeds.items()):
            roof = np.minimum(peak, speed * x) / 1e9
            axis.plot(x, roof, color="#888888", linewidth=1, linestyle=("-", "--", "-.", ":")[i],
                      label=f"{level}, {speed / 1e9:,.0f} GB/s")  # fmt: skip
        axis.axhline(peak / 1e9, color="#444444", linewidth=1.5,
                     label=f"arithmetic, {peak / 1e9:,.0f} GFLOPS")  # fmt: skip
        colours = dict(zip(SHAPES, ("#08519c", "#1b7837", "#b35806", "#c51b7d"), strict=True))
        places = dict(zip(SHAPES, ((4, -9), (-4, 6), (-4, 6), (5, -3)), strict=True))
        for shape, colour in colours.items():
            points = [row for row in rows if row["shape"] == shape]
            axis.plot([row["intensity"] for row in points], [row["gflops"] for row in points],
                      marker="o", markersize=4, linewidth=0.8, color=colour,
                      label="-".join(map(str, SHAPES[shape][0])))  # fmt: skip
            for row in points:
                axis.annotate(f"{100 * row['density']:g} %", (row["intensity"], row["gflops"]),
                              xytext=places[shape], textcoords="offset points", fontsize=7,
                              color=colour, ha="left" if places[shape][0] > 0 else "right",
                              )  # fmt: skip
        axis.set(xscale="log", yscale="log", xlabel="useful flops for each byte that must be moved",
                 ylabel="useful GFLOPS", title="A training step on one core")  # fmt: skip
        axis.grid(True, which="both", alpha=0.2)
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(path, metadata={"Date": None}, format="svg")


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| | " + " | ".join(f"{100 * density:g} %" for density in DENSITIES) + " |"]
    lines.append("|---" * (1 + len(DENSITIES)) + "|")
    for shape, (sizes, batch) in SHAPES.items():
        cells = [
            f"{row['gflops']:.1f} ({100 * row['share']:.0f} %)"
            for row in rows
            if row["shape"] == shape
        ]
        if cells:
            lines.append(f"| {'-'.join(map(str, sizes))}, batch {batch} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/mnist"), help="folder of MNIST")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="of a round")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the picture goes")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    load = os.getloadavg()[0]
    peak, speeds = limits()
    reading = ", ".join(f"{level} {speed / 1e9:,.0f}" for level, speed in speeds.items())
    print(f"{peak / 1e9:,.0f} GFLOPS in registers; GB/s: {reading}")
    rows: list[dict[str, Any]] = []
    for shape, (sizes, batch) in SHAPES.items():
        for density in DENSITIES:
            problem = make(sizes, batch, density, arguments.data)
            flops, moved = work_of(problem)
            seconds = step_seconds(problem, arguments.rounds, arguments.seconds)
            rows.append({
                "shape": shape, "density": density, "gflops": flops / seconds / 1e9,
                "share": flops / seconds / peak, "intensity": flops / moved,
            })  # fmt: skip
            print(f"{shape:8}{100 * density:>5g} %{1e6 * seconds:>10,.0f} µs"
                  f"{rows[-1]['gflops']:>8.1f} GFLOPS{rows[-1]['share']:>6.0%} of the peak"
                  f"{rows[-1]['intensity']:>8.1f} flops/byte", flush=True)  # fmt: skip
    draw(peak, speeds, rows, arguments.docs / "roofline.svg")
    page = arguments.docs / "PERFORMANCE.md"
    about = (
        f"Arithmetic in registers does {peak / 1e9:,.0f} GFLOPS here. Reading gives, in GB/s: "
        f"{reading}. The load before was {load:.1f}."
    )
    inside = "\n\n".join([fill(about, 100), "![roofline](roofline.svg)", table(rows)])
    marks = r"(<!-- roofline -->\n).*?(<!-- /roofline -->)"
    text, count = re.subn(
        marks, lambda m: f"{m[1]}\n{inside}\n\n{m[2]}", page.read_text(), flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"{page}: has no place for the table, <!-- roofline -->")
    page.write_text(text)


if __name__ == "__main__":
    main()
