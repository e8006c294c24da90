"""Ctrl-C and its like, noted before anything else is done about them."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2")


@contextmanager
def interrupts_noted() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets before it does what it does without this. So do the signals by
    which others end a process, where Python handles them.

    Python raises KeyboardInterrupt in whatever the main thread does. Where the compiler calls back
    into Python, such an exception is printed and forgotten; the event stays. Outside the main
    thread, and where a signal is ignored, nothing is changed.
    """
    interrupted = threading.Event()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name, None) for name in SIGNALS):
            handler = None if number is None else signal.getsignal(number)
            if number is not None and callable(handler):
                before[number] = handler

    def noting(handler: Callable[[int, FrameType | None], Any]) -> Any:
        def note(number: int, frame: FrameType | None) -> None:
            interrupted.set()
            handler(number, frame)

        return note

    for number, handler in before.items():
        signal.signal(number, noting(handler))
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
