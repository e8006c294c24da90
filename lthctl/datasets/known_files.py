"""A dataset whose files are known: read from a folder, or fetched, and trusted by SHA-256 alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lthctl.datasets.base import Dataset, Split
from lthctl.datasets.candidates import Candidates, FolderSource
from lthctl.datasets.entry import DatasetEntry
from lthctl.datasets.fetching import Source, fetch_files
from lthctl.datasets.mirrors import Mirror, OnBytes, WithoutHttps
from lthctl.datasets.opened import OpenedFolder
from lthctl.errors import DataError
from lthctl.params import ModelParams

Contents = Mapping[str, bytes]
"""File name -> the bytes that were trusted."""

NUMBERS = {1: "one", 2: "two", 4: "four"}


@dataclass(frozen=True)
class KnownFiles:
    """A dataset, and all that is known of its files.

    Attributes:
      name: in the family of datasets, such as "mnist".
      title: for people, such as "MNIST".
      digests: file name -> SHA-256 of its bytes, or, for a packed file, of what is packed in it.
      limit: bytes beyond which nothing is read or unpacked.
      read: gives the training and the test images of contents that were verified.
      mirrors: addresses of folders on the web, with their last slash, in the order in which they
        are asked. They may be looked up, so it is a function.
      further: other sources, which take `limit`.
      packed: whether mirrors serve each file as `NAME.gz`.
      installed: where a package of the system puts the files; asked first, if it is there.
      also: what else a person can do where no source has it, a sentence.
      model: as in `DatasetEntry`.
    """

    name: str
    title: str
    digests: Mapping[str, str]
    limit: int
    read: Callable[[Contents], tuple[Split, Split]]
    mirrors: Callable[[], Iterable[str]]
    further: tuple[Callable[[int], Source], ...] = ()
    packed: bool = True
    installed: Path | None = field(default=None, kw_only=True)
    also: str = field(default="", kw_only=True)
    model: ModelParams | None = field(default=None, kw_only=True)

    @property
    def folder(self) -> Path:
        """Where it lies if nobody says otherwise."""
        return Path("data", self.name)

    def entry(self) -> DatasetEntry:
        """It as a member of the family."""
        return DatasetEntry(self.open, self.folder, self.download, tuple(self.digests), self.model)

    def open(self, folder: Path) -> OpenedFolder:
        """Read and verify the files in a folder, plain or packed, whatever they are called.

        Raises:
          DataError: files are missing or altered; all are named.
        """
        faults, contents = [], {}
        candidates = Candidates(folder, self.digests, limit=self.limit, title=self.title)
        for name in self.digests:
            try:
                contents[name] = candidates.content(name)
            except DataError as error:
                faults.append(str(error))
        if faults:
            raise DataError(
                f"{'; '.join(faults)}; run `{self._command} --out {folder}`, which fetches what is "
                "missing or altered"
            )
        train, test = self.read(contents)
        return OpenedFolder(self.name, folder, Dataset(self.name, train, test))

    def download(
        self,
        folder: Path,
        *,
        source: Path | None = None,
        announce: Callable[[str], None] = lambda _: None,
        on_bytes: OnBytes | None = None,
    ) -> dict[str, str]:
        """Make a folder hold the files; see `lthctl.datasets.download.download`."""
        origins, failures = fetch_files(
            folder,
            self.digests,
            sources_of(self, on_bytes) if source is None else [self.source(source)],
            limit=self.limit,
            announce=announce,
        )
        missing = [name for name in self.digests if name not in origins]
        if missing:
            tried = "".join(f"\n  {failure}" for failure in failures)
            files, their = f"the {NUMBERS[len(self.digests)]} {self.title} files", "their"
            if len(self.digests) == 1:
                files, their = missing[0], "its"
            packed = ", plain or as .gz," if self.packed else ""
            raise DataError(
                f"{folder}: {', '.join(missing)} could not be fetched. Tried:{tried}\n"
                f"Fetch {files} elsewhere{packed} and name {their} folder: {self._command} "
                f"--from DIR{self.also and f'. {self.also}'}"
            )
        return origins

    def source(self, folder: Path) -> FolderSource:
        """A folder as a source, with whatever names and packing the files have there."""
        return FolderSource(folder, self.limit, self.digests, self.title)

    @property
    def _command(self) -> str:
        return f"lthctl download {self.name}"


def sources_of(known: KnownFiles, on_bytes: OnBytes | None) -> Iterator[Source]:
    """Sources one after another: what is installed here, and the network."""
    if known.installed is not None and known.installed.is_dir():
        yield known.source(known.installed)
    for address in known.mirrors():
        if address.lower().startswith("https://"):
            yield Mirror(address, limit=known.limit, packed=known.packed, on_bytes=on_bytes)
        else:
            yield WithoutHttps(address)
    for make in known.further:
        yield make(known.limit)
