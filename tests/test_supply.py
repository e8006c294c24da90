"""What CI installs is locked, and what builds a release is pinned."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements" / "ci.txt").read_text()
LOCKED = dict(re.findall(r"^([a-z0-9._-]+)==(\S+) \\$", LOCK, re.MULTILINE))
DIRECT = [
    Requirement(line)
    for line in (
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["dev"],
        *PROJECT["build-system"]["requires"],
    )
]


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_the_lock_file_has_what_the_project_asks_for(requirement: Requirement) -> None:
    versions = {canonicalize_name(name): version for name, version in LOCKED.items()}
    assert versions[canonicalize_name(requirement.name)] in requirement.specifier, "run `make lock`"


def test_every_package_of_the_lock_file_has_its_hash() -> None:
    lines = [line for line in LOCK.splitlines() if not line.startswith("#")]
    packages = [line for line in lines if not line.startswith(" ")]
    hashes = [line for line in lines if line.startswith(" ")]
    assert len(packages) == len(hashes) == len(LOCKED) > 100
    assert all(re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}", line) for line in hashes)


def test_the_lock_file_names_no_place() -> None:
    assert "://" not in LOCK
    assert " @ " not in LOCK


def test_the_build_backend_is_one_version_everywhere() -> None:
    (backend,) = PROJECT["build-system"]["requires"]
    assert re.fullmatch(r"hatchling==[0-9.]+", backend)
    assert backend in PROJECT["project"]["optional-dependencies"]["release"]
