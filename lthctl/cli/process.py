"""How a process of the command line begins and ends: signals, streams, and the exit code.

Imports nothing heavy, so that Ctrl-C is understood from the first moment on.
"""

import _thread
import io
import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from lthctl.surroundings import refuse_libraries_of_the_folder

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, what others send to end us, a closed terminal

INTERRUPTED = "Interrupted: {}what is finished is kept, and the same command goes on from there.\n"

AGAIN_SECONDS = 0.01

_interrupted = _over = False


def run_as_process() -> None:
    """Run the command line of this process, and end it.

    Raises:
      SystemExit: always.
    """
    global _over
    catch_signals()
    open_streams()
    refuse_libraries_of_the_folder()
    code: object = 0
    try:
        from lthctl.cli.app import app

        try:
            app(prog_name="lthctl")
        except SystemExit as end:
            code = end.code
        _over = True  # inside, so that a signal until here is caught below
    except BaseException:
        if not _interrupted:
            raise
        _over = True
        with suppress(OSError, ValueError):  # whatever Ctrl-C became on its way here
            sys.stderr.write(INTERRUPTED.format(""))
        code = 130
    finally:
        _over = True
        _ends_by_signals_again()
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        if fault := _settled(stream, number):
            if number == 1 and code in (0, None):
                sys.stderr.write(f"Error: {unwritten(fault)}\n")
                code = 3
            _settled(sys.stderr, 2)
    if _interrupted:
        _forget_interrupt()
    sys.exit(code)  # type: ignore[arg-type]


def unwritten(fault: OSError) -> str:
    """What to say where results cannot be printed."""
    return (
        f"stdout: cannot be written ({fault.strerror or fault}), so not all results were printed; "
        "files that the command writes are as they should be"
    )


def catch_signals() -> None:
    """Let every signal that ends a process do what Ctrl-C does, unless it is ignored, as nohup and
    shells let it be."""
    for number in (getattr(signal, name, None) for name in SIGNALS):
        if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, _interrupt)
    sys.unraisablehook = _once_more


def open_streams() -> None:
    """Give each standard stream that is closed a place, so that no file takes its number. Messages
    may get lost, results may not."""
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w"), "utf-8", "replace", write_through=True)
    raw = io.FileIO(2, "w", closefd=False) if sys.stderr is None else sys.stderr.buffer
    sys.stderr = _Lossy(raw, "utf-8" if sys.stderr is None else sys.stderr.encoding)


class _Lossy(io.TextIOWrapper):
    """stderr, which may be full or closed without stopping a command."""

    def __init__(self, raw: Any, encoding: str) -> None:
        super().__init__(raw, encoding, "backslashreplace", line_buffering=True)

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _interrupted
    _interrupted = True
    if not _over:
        raise KeyboardInterrupt


def _once_more(lost: Any) -> None:
    """Python forgets an exception in a destructor, and where C calls back: raise it once more."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        soon = threading.Timer(AGAIN_SECONDS, _thread.interrupt_main)  # not here: lost once more
        soon.daemon = True
        soon.start()
    else:
        sys.__unraisablehook__(lost)


def _ends_by_signals_again() -> None:
    """There is nothing left to be tidied up, so a signal simply ends the process."""
    for number in (getattr(signal, name, None) for name in SIGNALS):
        if number is not None and signal.getsignal(number) is _interrupt:
            signal.signal(number, signal.SIG_DFL)


def _forget_interrupt() -> None:
    """Let the process end with its exit code.

    A C extension may have run Python as text when the interrupt came, as many do while they are
    imported. CPython notes that this text was interrupted. With `-m` it then kills itself by SIGINT
    at its end, although the interrupt was caught. Text that ends well makes it forget.
    """
    with suppress(ImportError, AttributeError):  # other Pythons have neither, nor need it
        import ctypes

        ctypes.pythonapi.PyRun_SimpleString(b"0")


def _settled(stream: Any, number: int) -> OSError | None:
    """Write what a stream still holds; where that fails, why, and nothing is left for the
    interpreter to fail at."""
    # That of `_Lossy` says nothing. DVC puts its own stream in the place of stdout.
    flush = partial(io.TextIOWrapper.flush, stream) if isinstance(stream, _Lossy) else stream.flush
    try:
        flush()
    except (OSError, ValueError) as error:
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
        with suppress(OSError, ValueError):
            flush()
        return error if isinstance(error, OSError) else OSError(0, str(error))
    return None
