"""What processes ask of the system, told by strace, which Debian has."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CALLS = (
    "execve", "execveat", "connect", "sendto", "sendmsg", "mmap", "open", "openat", "openat2", "creat",
    "mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "link",
    "linkat", "symlink", "symlinkat", "truncate", "chmod", "fchmodat", "chown", "lchown", "fchownat",
    "mknod", "mknodat", "utimensat", "setxattr", "chdir", "fchdir", "fork", "vfork", "clone", "clone3",
)  # fmt: skip

CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|0x\w+|\?)")

AT = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')

WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC")


@dataclass
class Seen:
    """What happened, in all processes; calls that failed are left out, but for those to a network.

    Attributes:
      programs: that were started.
      libraries: files of which something was made executable.
      addresses: that were asked, such as "127.0.0.1:9".
      written: names that were opened for writing, made, changed or taken away.
    """

    programs: list[str] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)


class Trace:
    """What strace writes, and the words before the command that it watches."""

    def __init__(self, file: Path) -> None:
        self._file = file
        words = ["strace", "-f", "-y", "-qq", "-s", "4096", "--seccomp-bpf", "-o", str(file)]
        self.before = [*words, "-e", "trace=" + ",".join(f"?{call}" for call in CALLS)]
        self.seen = Seen()

    def read(self, folder: Path) -> None:
        """Take what was seen since the command began in a folder."""
        if self._file.exists():
            lines = self._file.read_text(errors="replace").splitlines()
            self.seen = seen_in(lines, folder)


def seen_in(lines: list[str], folder: Path) -> Seen:
    """What lines of strace tell of a command that began in a folder."""
    seen, folders = Seen(), dict[str, list[str]]()
    for line in joined(lines):
        if not (match := CALL.match(line)):
            continue
        process, call, words, result = match.groups()
        here = folders.setdefault(process, [str(folder)])
        if call in ("connect", "sendto", "sendmsg"):
            if found := re.search(r"sin6?_port=htons\((\d+)\).*?\"([^\"]*)\"", words):
                seen.addresses.append(f"{found[2]}:{found[1]}")
        elif result.startswith("-"):
            continue
        elif "clone" in call or "fork" in call:  # a thread stands where its process does
            folders[result] = here if "CLONE_FS" in words else [*here]
        elif call == "chdir":
            here[:] = _paths(words, here[0])
        elif call == "fchdir":
            here[:] = re.findall(r"<([^>]*)>", words)
        elif call in ("execve", "execveat"):
            seen.programs += _paths(words, here[0])[:1]
        elif call == "mmap":
            if "PROT_EXEC" in words and (found := re.search(r"<(/[^>]*)>", words)):
                seen.libraries.append(found[1])
        elif not call.startswith("open") or any(flag in words for flag in WRITING):
            seen.written += _paths(words, here[0])
    return seen


def joined(lines: list[str]) -> list[str]:
    """Calls in one line each, also those that another process interrupted."""
    begun: dict[str, str] = {}
    found = []
    for line in lines:
        process = line.split(" ", 1)[0]
        if line.endswith(" <unfinished ...>"):
            begun[process] = line.removesuffix(" <unfinished ...>")
        elif "resumed>" in line and process in begun:
            found.append(begun.pop(process) + line.split("resumed>", 1)[1])
        else:
            found.append(line)
    return found


def _paths(words: str, here: str) -> list[str]:
    """The paths in the words of a call, whole."""
    whole = [
        path if path.startswith("/") else f"{folder or here}/{path}"
        for folder, path in AT.findall(words)
    ]
    return [os.path.normpath(path) for path in whole]


@contextmanager
def traced(wanted: str | None, place: Path, folder: Path) -> Iterator[Trace | None]:
    """A trace, or None where it is not wanted.

    Args:
      wanted: "1", or nothing.
      place: for its file, which goes at the end.
      folder: that the command begins in.
    """
    if not wanted:
        yield None
        return
    with tempfile.TemporaryDirectory(dir=place) as aside:
        trace = Trace(Path(aside, "calls"))
        yield trace
        trace.read(folder)
