"""Where the sparse engine should stop keeping weights by what survived and keep them in full.

    python benchmarks/crossover.py --data data/mnist

Times a step of LeNet-300-100 with every layer kept in full and with every layer kept by its
survivors, interleaved, at several densities, for masks by magnitude and by chance.
`layout.CROSSOVER` is where the two are equal.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

from lthctl import MLP, TrainParams, find_ticket, load_mnist
from lthctl.training.sparse import engine, layout
from lthctl.training.spec import Training

IN_FULL, BY_SURVIVORS = -1.0, 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data/mnist"),
        help="folder of MNIST (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=int, default=7, help="interleaved rounds (default: %(default)s)"
    )
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    dataset = load_mnist(arguments.data)
    params = TrainParams(steps=300, evaluate_every=300, engine="sparse", device="cpu")

    def seconds(training: Training, crossover: float) -> float:
        layout.CROSSOVER = crossover
        start = time.perf_counter()
        engine.train(training, lambda _: None)
        return time.perf_counter() - start

    print(
        f"{'density':>8}  time in full / time by survivors, median (min to max) of "
        f"{arguments.rounds}"
    )
    for density in (0.15, 0.2, 0.25, 0.3, 0.4):
        for method in ("l1", "random"):
            ticket = find_ticket(MLP(), dataset, method=method, ratio=1 - density, train=params)
            training = Training(
                MLP(), ticket.mask.apply(ticket.init), ticket.mask, dataset, 1, params
            )
            seconds(training, IN_FULL)
            ratios = sorted(
                seconds(training, IN_FULL) / seconds(training, BY_SURVIVORS)
                for _ in range(arguments.rounds)
            )
            print(
                f"{density:>8}  {method:7} {statistics.median(ratios):.2f} ({ratios[0]:.2f} to "
                f"{ratios[-1]:.2f})"
            )


if __name__ == "__main__":
    main()
