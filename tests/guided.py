"""A second fuzzer: coverage guides it, and it knows nothing of what the readers look for.

    python -m tests.guided 1000000                    # as `make fuzz-guided` does
    python -m tests.guided 20000 --reader run/run.json    # one file of one reader
    python -m tests.guided --again FILE --reader NAME # an input that was kept, once more

`tests.fuzz` changes files by what they mean. This one changes bytes, and keeps every change that
reaches code not reached before. libFuzzer does it, through `atheris`. Of the formats it knows a
single thing, the digest, since all else would end there: it enters the digest of a changed file
into the document, and the document's own.

What holds for every input: a reader gives a value or raises `LthctlError`, within 10 s and 2 GB. It
executes nothing and writes nothing. A document that is read would be written again with the same bytes.
"""

import argparse
import contextlib
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.guided_readers import Files, Reader, readers

SECONDS, MEGABYTES, LONGEST = 10, 2048, 1 << 16  # of an input: time, memory, bytes


class Broken(Exception):  # noqa: N818
    """What was read breaks a promise."""


def as_files(reader: Reader, content: bytes) -> Files:
    """The folder's files with one replaced, and digests that fit."""
    from lthctl.artifacts.sealed import seal

    files = {**reader.originals, reader.changed: content}
    if reader.document is None:
        return files
    try:
        document = json.loads(files[reader.document])
    except (ValueError, RecursionError):
        return files
    if not isinstance(document, dict):
        return files
    before = hashlib.sha256(reader.originals[reader.changed]).hexdigest()
    after = hashlib.sha256(content).hexdigest()
    text = json.dumps(document).replace(before, after)
    with contextlib.suppress(ValueError, TypeError, RecursionError, OverflowError):
        files[reader.document] = seal(json.loads(text))
    return files


class Watch:
    """Notes what is executed, connected to or written while it is on."""

    EVENTS = re.compile(
        r"os\.(system|exec|posix_spawn|fork|remove|rename|mkdir|rmdir|chmod|symlink|link|truncate)"
        r"|subprocess\.|socket\.connect|ctypes\.dlopen|pickle\.find_class"
    )

    def __init__(self) -> None:
        self.is_on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.is_on:
            return
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 0b11
        if writes or self.EVENTS.match(event):
            self.seen.append(f"{event} {arguments!r:.200}")

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        self.seen.clear()
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False


def try_one(reader: Reader, content: bytes, folder: Path, watch: Watch) -> bool:
    """Let the reader read one input.

    Args:
      reader: the reader.
      content: what the changed file holds.
      folder: a folder that holds the reader's files, and no others.
      watch: what notes side effects.

    Returns:
      Whether the input was taken; if not, it was refused as it should be.

    Raises:
      Broken: something was executed or written, or the value would be written otherwise.
      Exception: what the reader raised, where it is no `LthctlError`.
    """
    from lthctl.errors import LthctlError

    files = as_files(reader, content)
    for name in {reader.changed, reader.document or reader.changed}:
        (folder / name).write_bytes(files[name])
    try:
        with watch.on():
            again = reader.read(folder)
    except LthctlError:
        return False
    finally:
        if watch.seen:
            raise Broken("; ".join(watch.seen))
    # A tensor file of another form is read too, as its digest stands in the document.
    if reader.changed == reader.document and again[reader.changed] != files[reader.changed]:
        raise Broken(f"{reader.changed} would be written otherwise")
    return True


def fill(folder: Path, reader: Reader) -> None:
    """Write a reader's original files."""
    for name, content in reader.originals.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def words(reader: Reader) -> str:
    """A dictionary for libFuzzer: the texts and numbers that the original holds."""
    content = reader.originals[reader.changed]
    found = set(re.findall(rb'"[^"\n\\]{1,40}"|[A-Za-z_]{3,20}|-?\d[\d.e+-]*', content))
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in sorted(found)[:300])
    return "".join(f'"{word}"\n' for word in escaped)


def fuzz(name: str, count: int, seed: int) -> None:
    """Fuzz one reader in this process, which ends with it; a failure keeps its input."""
    import atheris

    with atheris.instrument_imports(include=["lthctl"]), contextlib.redirect_stderr(io.StringIO()):
        reader = readers()[name]
    with tempfile.TemporaryDirectory() as place:
        folder, corpus = Path(place, "folder"), Path(place, "corpus")
        for made in (folder, corpus):
            made.mkdir()
        fill(folder, reader)
        (corpus / "original").write_bytes(reader.originals[reader.changed])
        Path(place, "words").write_text(words(reader))
        watch, tried, taken = Watch(), 0, 0

        def one_input(content: bytes) -> None:
            nonlocal tried, taken
            tried += 1
            taken += try_one(reader, content, folder, watch)
            if tried == count:  # libFuzzer ends the process without a word to Python
                print(f"{name}: {tried:,} inputs, {taken:,} taken, others refused", flush=True)

        arguments = [
            f"-runs={count}",
            f"-seed={seed}",
            f"-max_len={LONGEST}",
            f"-timeout={SECONDS}",
            f"-rss_limit_mb={MEGABYTES}",
            f"-dict={place}/words",
            f"-artifact_prefix=fuzz-kept-{re.sub('[^A-Za-z0-9.]', '-', name)}-",
            "-verbosity=0",
        ]
        atheris.Setup([sys.argv[0], *arguments, str(corpus)], one_input)
        atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("count", type=int, nargs="?", default=100_000, help="inputs in all")
    parser.add_argument("--reader", help="the name of the file to change; all if not given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", type=Path, metavar="FILE", help="an input that was kept")
    given = parser.parse_args()
    names = [given.reader] if given.reader else list(readers())
    if given.again:
        reader = readers()[names[0]]
        with tempfile.TemporaryDirectory() as place:
            fill(Path(place), reader)
            taken = try_one(reader, given.again.read_bytes(), Path(place), Watch())
            print("taken" if taken else "refused as it should be")
        return 0
    if len(names) == 1:
        fuzz(names[0], given.count, given.seed)
        return 0
    each = -(-given.count // len(names))
    failed = []
    for name in names:
        command = [sys.executable, "-m", "tests.guided", str(each), "--reader", name]
        ended = subprocess.run([*command, "--seed", str(given.seed)], check=False)
        if ended.returncode:
            failed.append(name)
    outcome = f"failed: {', '.join(failed)}" if failed else "no failure"
    print(f"{each * len(names):,} inputs; {outcome}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
