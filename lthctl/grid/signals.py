"""Ctrl-C, noted before anything else is done about it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_noted() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets before it does what it does without this.

    Python raises KeyboardInterrupt in whatever the main thread does. Where the compiler calls back
    into Python, such an exception is printed and forgotten; the event stays. Outside the main
    thread, and where Ctrl-C is ignored, nothing is changed.
    """
    interrupted = threading.Event()
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def note(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, handler)
