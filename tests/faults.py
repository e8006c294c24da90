"""A file server that hiccups: places that the system lets nobody read."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

FAULTS = (errno.EACCES, errno.EIO, errno.ESTALE, errno.ELOOP, errno.ENOTDIR)


@contextmanager
def failing(place: Path, number: int = errno.EIO, *, names: bool = False) -> Iterator[None]:
    """Nothing at or below a place can be listed or opened, and with `names` not even looked at."""
    where = str(place.absolute())

    def is_meant(path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        absolute = str(Path(os.fsdecode(path)).absolute())
        return absolute == where or absolute.startswith(f"{where}{os.sep}")

    def faulty(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: object = ".", *words: object, **more: object) -> Any:
            if is_meant(path):
                raise OSError(number, os.strerror(number), os.fsdecode(path))  # type: ignore[arg-type]
            return function(path, *words, **more)

        return call

    looks = ["stat", "lstat"] if names else []
    with (
        mock.patch.multiple(
            os,
            **{name: faulty(getattr(os, name)) for name in ("scandir", "listdir", "open", *looks)},
        ),
        mock.patch.multiple(io, open=faulty(io.open), open_code=faulty(io.open_code)),
    ):
        yield
