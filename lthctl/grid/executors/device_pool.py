"""Several devices for trainings side by side: each gets the one with the least to do."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class DevicePool:
    """Devices, and how many trainings run on each.

    Args:
      names: such as "cuda:0" and "cuda:1"; none where torch is to choose.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._running = dict.fromkeys(names, 0)
        self._lock = threading.Lock()

    @contextmanager
    def one_for(self, device: str) -> Iterator[str | None]:
        """One of them for a training on such a device; None where there is none of the kind.

        Args:
          device: of the training, such as "cuda".
        """
        with self._lock:
            fitting = [name for name in self._running if name.partition(":")[0] == device]
            chosen = min(fitting, key=self._running.__getitem__, default=None)
            if chosen is not None:
                self._running[chosen] += 1
        try:
            yield chosen
        finally:
            if chosen is not None:
                with self._lock:
                    self._running[chosen] -= 1
