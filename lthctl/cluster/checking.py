"""What a worker does of `lthctl verify --replay`: it checks folders that nobody has checked.

What was found is kept in files of the plan, under a name that changes with the folder. So an
interrupted verification goes on, and nothing is said of a folder that was changed since.
"""

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from lthctl.artifacts.store import Store
from lthctl.artifacts.trained_where import PLANS
from lthctl.canonical import canonical_json, sha256
from lthctl.cluster.crew import Crew
from lthctl.cluster.plan_arguments import VerifyArguments
from lthctl.cluster.plan_file import WorkPlan
from lthctl.datasets.described import DescribedDatasets
from lthctl.disk import write_file
from lthctl.grid.outcome import Outcome
from lthctl.verification.paths import Verification

CHECKS = "checks"
"""The folder of a plan with a file for each folder that was checked."""

WAIT_SECONDS = 1.0  # until it is asked again what others check


def check_folders(
    plan: WorkPlan, asked: VerifyArguments, crew: Crew, name: str, num_jobs: int
) -> Outcome:
    """Check the folders of a plan that nobody has checked.

    Args:
      plan: of the folders.
      asked: what it says of them.
      crew: the other workers.
      name: of this worker.
      num_jobs: folders at a time.
    """
    data = None if asked.data is None else Path(asked.data)
    datasets = DescribedDatasets(plan.params.data, data)
    found = Verification(asked.paths, replay=datasets, announce=crew.say)
    place = plan.store / PLANS / plan.place.name / CHECKS
    left = list(found.folders)
    random.Random(name).shuffle(left)
    outcome, lock = Outcome(), threading.Lock()
    with Store(plan.store).leases() as own:
        leases = crew.leases(own)

        def check(folder: Path) -> Path | None:
            """The folder where another checks it; None where that is done."""
            file, digest = file_of(place, folder), sha256(f"{plan.place.name}/{folder}".encode())
            with lock:
                if file.exists() or crew.is_over():
                    return None
                if not leases.take(digest):
                    return folder
            try:
                checks = [{**asdict(one), "path": str(one.path)} for one in found.check(folder)]
                write_file(file, canonical_json(checks))
                outcome.written.append(file)
            finally:
                with lock:
                    leases.give_up(digest)
            return None

        pool = ThreadPoolExecutor(num_jobs)
        try:
            while left and not crew.is_over():
                left = [folder for folder in pool.map(check, left) if folder is not None]
                if left:
                    time.sleep(WAIT_SECONDS)
        finally:
            found.cancel()
            pool.shutdown(wait=True, cancel_futures=True)
    return outcome


def file_of(place: Path, folder: Path) -> Path:
    """Where the findings on a folder go, as its files are now."""
    files = sorted(
        (entry.name, entry.stat().st_size, entry.stat().st_mtime_ns)
        for entry in os.scandir(folder)
        if entry.is_file()
    )
    return place / f"{sha256(canonical_json([str(folder), files]))[:32]}.json"
