"""Sparse training on a CPU: lthctl beside the packages and frameworks that can do the same.

    make league                   # everything, in an environment of its own
    make league QUICK=1           # fewer and shorter rounds
    .venv-league/bin/python benchmarks/league --shape lenet --only PyTorch lthctl

Four networks at five densities. Each contender is a process, all are on one core, and only one
works at a time. In a round every contender does some steps; figures are medians of the rounds, and
ratios are of the same round. First all do 20 steps from the same weights with the same batches, and
their losses must be those of PyTorch.

What is measured is added to a file, network by network. The same command again goes on from there.
`--write` then puts the table and the chart into docs.

`make sizes` compares lthctl with PyTorch alone, for more sizes, batches and densities.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from chart import write, write_sizes
from problems import DENSITIES, LARGEST, SHAPES, make

HERE = Path(__file__).parent
BASE = "PyTorch"
NAMES = (
    BASE, "torch.compile", "JAX", "torch CSR", "sparselab", "sparseprop", "sparseprop, batch 64",
    "lthctl.SparseLinear", "lthctl",
)  # fmt: skip
TOLERANCE = 0.01
"""The most that a loss of the first steps may differ from PyTorch's, of that loss."""


class Worker:
    """A contender's process."""

    def __init__(self, name: str, core: int) -> None:
        one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        command = [sys.executable, str(HERE / "worker.py"), name]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **one, "XLA_FLAGS": flags},
        )
        os.sched_setaffinity(self.process.pid, {core})

    def ask(self, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"failed": "the process ended"}


def measure(
    workers: dict[str, Worker],
    problems: dict[str, Path],
    seconds: float,
    rounds: int,
    checked: int,
) -> dict[str, Any]:
    """name -> its figures, or why there are none."""
    results: dict[str, Any] = {}
    counts: dict[str, int] = {}
    base = workers[BASE]
    wanted = {}
    for kind in sorted(problems, reverse=True):  # the 64 first: PyTorch goes on with the other
        wanted[kind] = base.ask(problem=str(problems[kind]), checked=checked)["losses"]
    for name, worker in workers.items():
        kind = "64" if name.endswith("64") else "own"
        answer = {"losses": wanted["own"]}
        if name != BASE:
            answer = worker.ask(problem=str(problems[kind]), checked=checked)
        if "losses" in answer:
            pairs = zip(answer["losses"], wanted[kind], strict=True)
            answer["departs"] = max(abs(a - b) / b for a, b in pairs)
            if answer["departs"] > TOLERANCE:
                answer["failed"] = f"its losses are others by {answer['departs']:.1%}"
        if "failed" not in answer:
            first = worker.ask(steps=1)
            counts[name] = max(1, int(seconds / max(first.get("seconds", 1), 1e-6)))
        results[name] = answer
    times: dict[str, list[float]] = {name: [] for name in counts}
    for _ in range(rounds):
        for name, count in counts.items():
            times[name].append(workers[name].ask(steps=count)["seconds"])
    for name, values in times.items():
        ratios = [b / v for b, v in zip(times[BASE], values, strict=True)]
        results[name] |= {"seconds": values, "median": statistics.median(values), "ratios": ratios}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/mnist"), help="folder of MNIST")
    parser.add_argument("--shape", nargs="+", choices=SHAPES | LARGEST, default=list(SHAPES))
    parser.add_argument("--batch", nargs="+", type=int, default=[0], help="in place of its own")
    parser.add_argument("--density", nargs="+", type=float, default=DENSITIES)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="contenders")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--checked", type=int, default=20, help="steps whose losses are compared")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a contender in a round")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.15 s")
    parser.add_argument("--results", type=Path, default=Path("league.jsonl"))
    parser.add_argument("--again", action="store_true", help="measure what is there already")
    parser.add_argument("--write", action="store_true", help="the table and chart into docs")
    parser.add_argument("--write-sizes", action="store_true", help="the table of sizes into docs")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 3, 0.15
    known = [json.loads(line) for line in read(arguments.results)]
    core = max(os.sched_getaffinity(0))
    workers: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as folder:
        for shape, batch, density in product(arguments.shape, arguments.batch, arguments.density):
            sizes, own = (SHAPES | LARGEST)[shape]
            batch = batch or own
            here = [
                record for record in known
                if (record["shape"], record["batch"], record["density"])
                == (shape, batch, density)
            ]  # fmt: skip
            done = {
                n
                for record in here
                for n, result in record["results"].items()
                if "median" in result
            }
            names = [
                name for name in NAMES
                if name in (BASE, *arguments.only)
                and (arguments.again or name not in done)
                and not (name.endswith("64") and batch % 64 == 0)
            ]  # fmt: skip
            if names in ([], [BASE]) and (not names or BASE in done):
                continue
            names = [BASE, *(name for name in names if name != BASE)]
            for name in names:
                if name not in workers:
                    workers[name] = Worker(name.removesuffix(", batch 64"), core)
            problems = {"own": Path(folder) / "own.npz"}
            make(sizes, batch, density, arguments.data).save(problems["own"])
            if any(name.endswith("64") for name in names):
                problems["64"] = Path(folder) / "64.npz"
                make(sizes, 64, density, arguments.data).save(problems["64"])
            load = os.getloadavg()[0]
            chosen = {name: workers[name] for name in names}
            results = measure(
                chosen, problems, arguments.seconds, arguments.rounds, arguments.checked
            )
            record = {
                "shape": shape, "batch": batch, "density": density, "load": load,
                "rounds": arguments.rounds, "machine": machine(), "results": results,
            }  # fmt: skip
            known.append(record)
            with arguments.results.open("a") as file:
                file.write(json.dumps(record) + "\n")
            show(record)
    for worker in workers.values():
        worker.process.terminate()
    if arguments.write:
        write(known, Path("docs"))
    if arguments.write_sizes:
        write_sizes(known, Path("docs"))


def read(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def machine() -> str:
    model = platform.processor() or platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        lines = [line for line in cpu.read_text().splitlines() if line.startswith("model name")]
        flags = next(line for line in cpu.read_text().splitlines() if line.startswith("flags"))
        wide = "AVX-512" if "avx512f" in flags else "AVX2"
        model = f"{lines[0].split(':')[1].strip()}, {wide}"
    return f"{model}, {os.cpu_count()} cores"


def show(record: dict[str, Any]) -> None:
    print(
        f"\n{record['shape']}, batch {record['batch']}, density {record['density']:g}, "
        f"load {record['load']:.1f} before"
    )
    for name, result in record["results"].items():
        if "median" in result:
            ratio = statistics.median(result["ratios"])
            print(
                f"  {name:22}{1e6 * result['median']:>12,.0f} µs{ratio:>8.2f} times PyTorch"
                f"   losses within {result['departs']:.1e}"
            )
        else:
            print(f"  {name:22}{result['failed']}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
