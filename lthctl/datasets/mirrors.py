"""Mirrors on the web, most of which serve each file as `NAME.gz`. pooch fetches from them."""

import io
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urljoin

from lthctl.datasets.fetching import SourceError, gunzip
from lthctl.errors import DataError

T = TypeVar("T")

TIMEOUT = 10
"""Seconds without an answer, or without another byte, after which a mirror is given up."""

DEADLINE = 600.0
"""Seconds that a source may take for all its files, where these are small."""

SLOWEST = 100_000
"""Bytes in a second that are enough for large ones: a source may take as long as its limit does."""

CHUNK = 2**16

OnBytes = Callable[[str, int, int], None]
"""Called with a file's name, the bytes received so far, and those in all or 0 if not known."""


class Mirror:
    """A folder on the web."""

    def __init__(
        self, address: str, *, limit: int, packed: bool = True, on_bytes: OnBytes | None = None
    ) -> None:
        """A mirror, which is not asked yet.

        Args:
          address: of the folder, with its last slash.
          limit: bytes that a file may have, packed as well as unpacked.
          packed: whether it serves a file as `NAME.gz`.
          on_bytes: called as bytes arrive.
        """
        self.label = address
        self._limit, self._packed, self._on_bytes = limit, packed, on_bytes
        self._deadline = max(DEADLINE, limit / SLOWEST)
        self._began = time.monotonic()

    def fetch(self, name: str) -> bytes:
        """The bytes of a file, unpacked; see `Source.fetch`.

        pooch's own check of a digest is not used: mirrors pack the same file in different ways, and
        the digest that we know is of what is in it.
        """
        left = self._deadline - (time.monotonic() - self._began)
        return within(left, lambda: self._fetch(name), self.label, of=self._deadline)

    def _fetch(self, name: str) -> bytes:
        import requests
        from pooch import HTTPDownloader

        responses: list[Any] = []

        def on_response(response: Any, **_: object) -> None:
            responses.append(response)
            refuse_downgrade(response)

        progress = _Progress(name, self._on_bytes) if self._on_bytes is not None else False
        download = HTTPDownloader(
            progressbar=progress,
            chunk_size=CHUNK,
            timeout=TIMEOUT,
            headers={"Accept-Encoding": "identity"},  # the file itself is packed already
            hooks={"response": on_response},
        )
        content = _Bounded(self._limit)
        try:
            download(f"{self.label}{name}{'.gz' if self._packed else ''}", content, None)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise SourceError(_deepest(error)) from error
        finally:
            for response in responses:  # pooch leaves them open when something goes wrong
                response.close()
        received = content.getvalue()
        return gunzip(received, self._limit) if self._packed else received


class WithoutHttps:
    """An address that is never asked: whoever is on the way to it could answer."""

    def __init__(self, address: str) -> None:
        self.label = address

    def fetch(self, name: str) -> bytes:
        raise SourceError("is an address without https, so it was not asked")


def within(seconds: float, work: Callable[[], T], label: str, *, of: float | None = None) -> T:
    """What some work gives within so many seconds. After that it is left alone: a server that sends
    a byte a second, be it of its headers, cannot be stopped otherwise.

    Args:
      seconds: that are left.
      work: is done in a thread.
      label: of the thread.
      of: seconds that there were at first, for the message; those that are left if None.

    Raises:
      SourceError: it takes longer.
      Exception: what the work raises.
    """
    answers: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue()

    def run() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=run, daemon=True, name=label).start()
    try:
        answer, error = answers.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise SourceError(f"takes longer than {of or seconds:.0f} seconds") from None
    if error is not None:
        raise error
    return cast(T, answer)


def refuse_downgrade(response: Any) -> None:
    """Refuse an answer over https that sends us to an address without.

    Raises:
      DataError: it does.
    """
    if not response.url.lower().startswith("https:"):
        return
    leads_to = urljoin(response.url, response.headers.get("Location", "").strip())
    if not leads_to.lower().startswith("https:"):
        raise DataError("leads to an address without https")


class _Bounded(io.BytesIO):
    """A file in memory that takes no more than so many bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def write(self, content: Any) -> int:
        if self.tell() + len(content) > self._limit:
            raise DataError(f"is longer than {self._limit} bytes")
        return super().write(content)


class _Progress:
    """What pooch takes for a progress bar. It counts whole chunks, the last one too."""

    def __init__(self, name: str, on_bytes: OnBytes) -> None:
        self.total = 0
        self._name, self._on_bytes, self._count = name, on_bytes, 0

    def update(self, count: int) -> None:
        self._count += count
        received = min(self._count, self.total) if self.total else self._count
        self._on_bytes(self._name, received, self.total)

    def reset(self) -> None:
        self._count = 0

    def close(self) -> None:
        pass


def _deepest(error: BaseException) -> str:
    """What the system said, without the layers that libraries wrap around it."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error) or type(error).__name__
