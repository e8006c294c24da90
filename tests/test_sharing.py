"""One ticket handed from one clone to another through a DVC remote: a folder, and a real SSH server
on the loopback.

What these tests do is what docs/SHARING.md says.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from lthctl.artifacts.run import load_run
from lthctl.artifacts.ticket import load_ticket
from lthctl.errors import TicketError

from .conftest import write_digits
from .test_pipeline import ROOT, SHIM

TICKET = "l1-r0.50-n2-s1"
PARAMS = """\
model:
  layers: [784, 20, 12, 10]
train: {steps: 20, evaluate_every: 10, engine: torch, device: cpu}
prune: {method: l1, ratio: 0.5, rounds: 2, seed: 1}
"""


@dataclass
class Place:
    """A folder to work in, and a record of what was done there."""

    folder: Path
    environment: dict[str, str]
    transcript: list[str] = field(default_factory=list)

    def run(self, command: str) -> str:
        done = subprocess.run(
            command.split(),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.transcript.append(
            f"{self.folder.name}$ {command}\n{done.stdout}{done.stderr}".rstrip()
        )
        assert done.returncode == 0, "\n".join(self.transcript[-1:])
        return done.stdout

    def beside(self, name: str) -> "Place":
        return Place(self.folder.parent / name, self.environment, self.transcript)


@pytest.fixture
def home(tmp_path: Path) -> Place:
    """An empty place, with an `lthctl` that takes synthetic digits for MNIST, and nobody's settings
    but its own."""
    digests = write_digits(tmp_path / "digits")
    programs = tmp_path / "bin"
    programs.mkdir()
    shim = programs / "lthctl"
    text = SHIM.format(
        python=sys.executable, root=str(ROOT), digests=digests, digits=str(tmp_path / "digits")
    )
    shim.write_text(text)
    shim.chmod(0o755)
    (tmp_path / "work").mkdir()
    environment = {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(tmp_path / "config"),
        "DVC_SYSTEM_CONFIG_DIR": str(tmp_path / "system"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    }  # fmt: skip
    return Place(tmp_path / "work", environment)


def repository(home: Place, name: str) -> Place:
    """A git repository with what lthctl's own has in it that decides what is shared."""
    place = home.beside(name)
    for path in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"):
        (place.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (place.folder / path).write_bytes((ROOT / path).read_bytes())
    (place.folder / "params.yaml").write_text(PARAMS)
    for command in ("git init -q -b main", "git add -A", "git commit -qm start"):
        place.run(command)
    return place


def contents_of(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
    }


def share(alice: Place, remote: str) -> None:
    """One ticket of alice's goes to a remote, and what git needs to know of it into git."""
    alice.run(f"dvc remote add --default store {remote}")
    alice.run(f"dvc add masks/{TICKET}")
    assert alice.run("git ls-files masks").split() == [
        f"masks/{TICKET}.dvc"
    ]  # staged by DVC, and nothing else of it
    assert alice.run("git status --porcelain --untracked-files=all").splitlines() == [
        " M .dvc/config",
        f"A  masks/{TICKET}.dvc",
    ]
    alice.run("git commit -qam share")
    alice.run("git tag v1")
    alice.run("dvc push")


def put_fixture(place: Place, name: str) -> None:
    source, folder = ROOT / "tests/fixtures/schema-1/masks" / name, place.folder / "masks" / name
    folder.mkdir(parents=True)
    for path in source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


@pytest.mark.dvc
def test_one_ticket_through_a_folder(home: Place) -> None:
    """A ticket beside another, which stays where it is."""
    alice = repository(home, "alice")
    put_fixture(alice, TICKET)
    put_fixture(alice, "dense-s2")
    store = home.folder.parent / "store"
    share(alice, str(store))
    home.run("git clone -q ../alice ../bob")
    bob = home.beside("bob")
    assert not (bob.folder / "masks" / TICKET).exists()
    bob.run("dvc pull")
    assert contents_of(bob.folder / "masks" / TICKET) == contents_of(
        alice.folder / "masks" / TICKET
    )
    assert (
        load_ticket(bob.folder / "masks" / TICKET).digest
        == load_ticket(alice.folder / "masks" / TICKET).digest
    )
    assert not (bob.folder / "masks/dense-s2").exists()
    assert bob.run("git status --porcelain --untracked-files=all") == ""

    # Altered in the remote: DVC believes names, so the last word is the ticket's own.
    (document,) = (
        path for path in store.rglob("*") if path.is_file() and b'"ticket"' in path.read_bytes()
    )
    document.chmod(0o644)
    document.write_bytes(document.read_bytes().replace(b'"ratio": 0.5', b'"ratio": 0.4'))
    home.run("git clone -q ../alice ../carol")
    carol = home.beside("carol")
    carol.run("dvc pull")
    with pytest.raises(TicketError, match=r"ticket\.json: does not match its own digest"):
        load_ticket(carol.folder / "masks" / TICKET)


class Server:
    """An SSH server on the loopback that lets in one key and serves one folder by SFTP."""

    def __init__(self, home: Path) -> None:
        import asyncssh

        self._asyncssh, self.folder = asyncssh, home / "server"
        self.folder.mkdir()
        keys = home / ".ssh"
        keys.mkdir(mode=0o700)
        self._host_key, client_key = (
            asyncssh.generate_private_key("ssh-ed25519") for _ in range(2)
        )
        client_key.write_private_key(keys / "id_ed25519")
        (keys / "id_ed25519").chmod(0o600)
        client_key.write_public_key(keys / "authorized_keys")
        self._authorized = str(keys / "authorized_keys")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        self._listener = self._wait_for(self._listen())
        self.port = self._listener.get_port()
        return self

    async def _listen(self) -> object:
        return await self._asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[self._host_key], authorized_client_keys=self._authorized,
            sftp_factory=lambda channel: self._asyncssh.SFTPServer(channel, chroot=os.fsencode(self.folder)),
        )  # fmt: skip

    def _wait_for(self, coroutine: object) -> object:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)  # type: ignore[arg-type]

    def __exit__(self, *_: object) -> None:
        async def close() -> None:
            self._listener.close()
            await self._listener.wait_closed()

        self._wait_for(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


@pytest.fixture
def server(home: Place) -> Iterator[Server]:
    if find_spec("dvc_ssh") is None and "CI" not in os.environ:
        pytest.skip("needs dvc-ssh, which the extra dev installs")
    with Server(home.folder.parent) as server:
        yield server


@pytest.mark.slow
def test_a_ticket_made_here_is_verified_and_retrained_there_to_the_same_bytes(
    home: Place, server: Server
) -> None:
    alice = repository(home, "alice")
    alice.run("lthctl download --from ../digits --quiet")
    alice.run("lthctl prune --quiet")
    alice.run(f"lthctl retrain masks/{TICKET} --quiet")
    ticket = load_ticket(alice.folder / "masks" / TICKET)
    share(alice, f"ssh://tester@127.0.0.1:{server.port}/store")
    assert [
        path for path in server.folder.rglob("*") if path.is_file()
    ]  # it is there, and nowhere else

    home.run("git clone -q ../alice ../bob")
    bob = home.beside("bob")
    bob.run("dvc pull")
    bob.run("lthctl download --from ../digits --quiet")
    assert load_ticket(bob.folder / "masks" / TICKET).digest == ticket.digest
    bob.run(f"lthctl verify masks/{TICKET} --replay")
    bob.run(f"lthctl retrain masks/{TICKET} --quiet")
    bob.run(f"lthctl verify masks/{TICKET} runs/rewind/{TICKET}")
    runs = [place.folder / "runs/rewind" / TICKET for place in (alice, bob)]
    assert contents_of(runs[0]) == contents_of(runs[1])
    assert load_run(runs[1]).ticket.digest == ticket.digest

    # Alice goes on; another repository takes the ticket of the tag, and a person takes it without
    # any.
    alice.run(f"dvc remove masks/{TICKET}.dvc")
    alice.run("git commit -qam gone")
    carol = repository(home, "carol")
    (carol.folder / "masks").mkdir()
    carol.run(f"dvc import ../alice masks/{TICKET} --rev v1 --out masks/{TICKET}")
    assert load_ticket(carol.folder / "masks" / TICKET).digest == ticket.digest
    assert carol.run("git ls-files masks").split() == [f"masks/{TICKET}.dvc"]
    assert "rev: v1" in (carol.folder / f"masks/{TICKET}.dvc").read_text()
    home.run(f"dvc get ../alice masks/{TICKET} --rev v1 --out taken")
    home.run("lthctl verify taken")
    assert load_ticket(home.folder / "taken").digest == ticket.digest
    (home.folder / "transcript.txt").write_text("\n\n".join(home.transcript) + "\n")
