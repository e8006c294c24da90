"""Paths of other revisions: of git and of DVC, copied out safely, and refused with the way out."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lthctl.artifacts.dvc_ignored import is_cheap
from lthctl.artifacts.revision import at_revision, placed
from lthctl.errors import PathError, TicketError

pytestmark = pytest.mark.filterwarnings(
    r"ignore::DeprecationWarning:dvc\."
)  # what DVC will have to change

FILES = {"ticket.json": 100, "mask": 1000}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC and git as on a fresh machine."""
    for name, value in {
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(tmp_path / "config"),
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    import logging

    # Its handlers keep the stream of the test that imported DVC first, and that one is closed by
    # now.
    monkeypatch.setattr(logging.getLogger("dvc"), "handlers", [])


class Repository:
    """A git repository in which DVC may own folders."""

    def __init__(self, root: Path, *, dvc: bool) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        if dvc:
            from dvc.repo import Repo

            Repo.init(str(root)).close()

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.root, check=True, capture_output=True)

    def write(self, name: str, content: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(content)

    def track(self, folder: str) -> None:
        from dvc.repo import Repo

        with Repo(str(self.root)) as repo:
            repo.add([str(self.root / folder)])

    def commit(self, tag: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", tag)
        self.git("tag", tag)


def contents(place: Path) -> dict[str, str]:
    return {
        path.relative_to(place).as_posix(): path.read_text()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def found(text: str, *, fetch: bool = False) -> dict[str, str]:
    with placed(text, FILES, fetch=fetch) as place:
        return contents(place.folder)


def refusal(text: str) -> str:
    with pytest.raises(PathError) as refused, placed(text, FILES):
        pass
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("masks@HEAD~1", ("masks", "HEAD~1")),
        ("../other/masks/x@v1", ("../other/masks/x", "v1")),
        ("me@home/masks@v1", ("me@home/masks", "v1")),
        ("masks@HEAD@{1}", ("masks", "HEAD@{1}")),
        ("masks@@{u}", ("masks", "@{u}")),
        ("masks@feature/x", ("masks", "feature/x")),
        ("x@l1@v1.0.0", ("x@l1", "v1.0.0")),
        ("masks", None),
        ("masks@", None),
        ("@v1", None),
    ],
)
def test_what_names_a_revision(text: str, named: tuple[str, str] | None) -> None:
    assert at_revision(text) == named


def test_a_path_that_exists_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "masks@v1").mkdir()
    with placed("masks@v1", FILES) as place:
        assert place == (Path("masks@v1"), "masks@v1", None)
    assert at_revision("masks@v1") is None


def test_of_plain_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path / "r", dvc=False)
    repository.write("masks/x/ticket.json", "old")
    repository.write("masks/x/other", "not asked for")
    repository.write("masks/.hidden/ticket.json", "hidden")
    (repository.root / "masks/x/mask").symlink_to("/etc/hostname")
    repository.commit("v1")
    repository.write("masks/x/ticket.json", "new")
    repository.git("rm", "-qf", "masks/x/mask")
    repository.commit("v2")
    monkeypatch.chdir(repository.root)
    # A link is its text here: it is never followed.
    assert found("masks@v1") == {"x/ticket.json": "old", "x/mask": "/etc/hostname"}
    assert found("masks/x@v1")["ticket.json"] == "old"
    assert found("masks@HEAD") == found(f"{repository.root}/masks@v2") == {"x/ticket.json": "new"}
    monkeypatch.chdir(repository.root / "masks")
    assert found("../masks/x@HEAD~1")["ticket.json"] == found(".@HEAD~1")["x/ticket.json"] == "old"
    assert found("x@HEAD@{1}")["ticket.json"] == "old"


@pytest.mark.long
def test_of_dvc_from_the_cache_and_of_git_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path / "r", dvc=True)
    repository.write("masks/pipeline/x/ticket.json", "one")
    repository.track("masks/pipeline")
    repository.write("masks/mine/ticket.json", "mine")
    repository.commit("v1")
    repository.write("masks/pipeline/x/ticket.json", "two")
    repository.track("masks/pipeline")
    repository.commit("v2")
    for name in ("ticket.json", "mask"):
        (repository.root / "masks/pipeline/x" / name).unlink(missing_ok=True)  # not checked out
    monkeypatch.chdir(tmp_path)
    assert found("r/masks/pipeline@v1") == {"x/ticket.json": "one"}
    assert found("r/masks@v1") == {"pipeline/x/ticket.json": "one", "mine/ticket.json": "mine"}
    assert found("r/masks/pipeline@v2") == {"x/ticket.json": "two"}
    before = {path: path.read_bytes() for path in repository.root.rglob("*") if path.is_file()}
    found("r/masks@v1")
    assert {
        path: path.read_bytes() for path in repository.root.rglob("*") if path.is_file()
    } == before


def test_of_a_dvc_repository_inside_another_of_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvc.repo import Repo

    repository = Repository(tmp_path / "r", dvc=False)
    repository.write("sub/masks/x/ticket.json", "one")
    with Repo.init(str(repository.root / "sub"), subdir=True) as inner:
        inner.add([str(repository.root / "sub/masks/x")])
    repository.commit("v1")
    monkeypatch.chdir(repository.root / "sub")
    assert found("masks/x@v1") == {"ticket.json": "one"}


@pytest.mark.long
def test_data_that_is_not_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path / "r", dvc=True)
    repository.write("masks/x/ticket.json", "one")
    repository.track("masks/x")
    repository.commit("v1")
    (repository.root / ".dvc/cache").rename(tmp_path / "remote")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "other_site"))
    monkeypatch.chdir(repository.root)
    message = refusal("masks/x@v1")
    assert message.startswith("masks/x@v1: its data cannot be read (")
    assert f"`dvc fetch --all-commits` in {repository.root}" in message
    assert "`dvc pull`" in message
    repository.write(
        ".dvc/config.local",
        f"[core]\n    remote = r\n['remote \"r\"']\n    url = {tmp_path / 'remote'}\n",
    )
    assert "its remotes were not asked, as --fetch was not given" in refusal("masks/x@v1")
    assert found("masks/x@v1", fetch=True) == {"ticket.json": "one"}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A plain repository with one file in masks/, which is where we are."""
    repository = Repository(tmp_path / "r", dvc=False)
    repository.write("masks/ticket.json", "one")
    repository.commit("v1")
    monkeypatch.chdir(repository.root)
    return repository


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "nothing: does not exist; expected a ticket, a run, or a folder of them, or `path@revision`. "
         "If DVC tracks it, restore it with `dvc checkout`"),
        ("masks@v9", "masks@v9: the repository {root} has no revision 'v9'; `git log` and `git tag` list what it has, "
         "`git fetch` gets what others have"),
        ("masks@--upload-pack=x", "masks@--upload-pack=x: the repository {root} has no revision '--upload-pack=x'; "
         "`git log` and `git tag` list what it has, `git fetch` gets what others have"),
        ("nothing@v1", "nothing@v1: nothing is not in revision 'v1' of {root}"),
        ("masks/ticket.json@v1", "masks/ticket.json@v1: masks/ticket.json is a file, not a folder, in revision 'v1' of {root}"),
        ("../x@v1", "../x@v1: neither does this path exist, nor is ../x in a git repository that could have the revision "
         "'v1'; clone the repository and name the path in the clone"),
    ],
)  # fmt: skip
def test_refusals_name_the_way_out(text: str, message: str, small: Repository) -> None:
    assert refusal(text) == message.format(root=small.root)


def test_files_that_are_too_long_are_refused_unread(small: Repository) -> None:
    small.write("masks/ticket.json", "x" * 101)
    small.commit("v2")
    assert (
        refusal("masks@v2")
        == "masks@v2: ticket.json is longer than 100 bytes; it is damaged or not written by lthctl"
    )


def test_so_is_too_much_in_all(small: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lthctl.artifacts.revision.TOTAL_LIMIT", 150)
    for name in "ab":
        small.write(f"masks/{name}/ticket.json", "x" * 100)
    small.commit("v2")
    assert "longer than" in refusal("masks@v2")


def test_no_name_leads_out_of_the_copy(
    small: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a tree that someone else wrote could have it; git itself refuses to make one."""
    from dvc.api import DVCFileSystem

    monkeypatch.setattr(
        DVCFileSystem, "walk", lambda self, path: iter([("/masks/../../../evil", [], ["ticket.json"]), ("/masks", [], ["ticket.json"])])
    )  # fmt: skip
    assert found("masks@v1") == {"ticket.json": "one"}
    assert not list(tmp_path.rglob("evil"))


def test_readers_errors_name_the_argument_and_the_copy_is_gone(small: Repository) -> None:
    with (
        pytest.raises(TicketError, match=r"^masks@v1/ticket\.json: bad$"),
        placed("masks@v1", FILES) as place,
    ):
        raise TicketError(f"{place.folder / 'ticket.json'}: bad")
    assert not place.folder.exists()


def test_nothing_of_dvc_is_imported_for_a_plain_path(tmp_path: Path) -> None:
    program = (
        "import sys; from lthctl.artifacts.revision import placed\n"
        "with placed('.', {}): pass\n"
        "print('dvc' in sys.modules)"
    )  # fmt: skip
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        == "False\n"
    )


def test_an_at_may_be_in_the_path_and_in_the_revision(small: Repository) -> None:
    """Tags of registries hold one, and so may folders."""
    small.write("masks/x/ticket.json", "x at its tag")
    small.write("masks/x@l1/ticket.json", "x@l1")
    small.commit("l1@v1.0.0")
    small.git("tag", "v1.0.0")
    small.git("rm", "-qr", "masks/x")
    small.write("masks/x/ticket.json", "x now")
    assert found("masks/x@l1@v1.0.0") == {"ticket.json": "x@l1"}  # the longest path that exists
    (small.root / "masks/x@l1/ticket.json").unlink()
    (small.root / "masks/x@l1").rmdir()
    small.git("tag", "-d", "v1.0.0")
    assert found("masks/x@l1@v1.0.0") == {"ticket.json": "x at its tag"}
    with placed("masks/x@l1@v1.0.0", FILES) as place:
        assert place[1:] == ("masks/x", "l1@v1.0.0")
    (small.root / "masks/x/ticket.json").unlink()
    (small.root / "masks/x").rmdir()
    assert found("masks/x@l1@v1.0.0") == {"ticket.json": "x at its tag"}  # none exists
    assert found("masks/x@l1@HEAD") == {"ticket.json": "x@l1"}
    assert found("masks/x@HEAD@{0}") == {"ticket.json": "x at its tag"}


def test_a_revisions_settings_are_not_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its site_cache_dir would be made, with mode 0777, and pickles in it would be read."""
    repository = Repository(tmp_path / "r", dvc=True)
    repository.write("masks/x/ticket.json", "one")
    repository.track("masks/x")
    evil = tmp_path / "evil"
    repository.write(
        ".dvc/config",
        f"[core]\n    site_cache_dir = {evil}/site\n    remote = r\n    hardlink_lock = true\n"
        f"['remote \"r\"']\n    url = {evil}/remote\n[state]\n    dir = {evil}/state\n",
    )
    repository.commit("v1")
    monkeypatch.delenv("DVC_SITE_CACHE_DIR")
    before = sorted(path for path in tmp_path.rglob("*") if "site" not in path.parts)
    assert found(f"{repository.root}/masks/x@v1") == {"ticket.json": "one"}
    after = sorted(path for path in tmp_path.rglob("*") if "site" not in path.parts)
    assert after == before and not evil.exists()


REMOTE = """[core]
    remote = r
['remote "r"']
    url = http://127.0.0.1:{port}/x
"""
IMPORTED = "deps:\n- path: http://127.0.0.1:{port}/y\nouts:\n- path: y\n  hash: md5\n"
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"


@pytest.mark.long
def test_no_network_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither remotes nor caches elsewhere, nor what was imported, nor git LFS."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    repository = Repository(tmp_path / "r", dvc=True)
    repository.write("masks/x/ticket.json", "one")
    repository.track("masks/x")
    repository.write("masks/y.dvc", IMPORTED.format(port=port))
    repository.write("masks/z/ticket.json", LFS_POINTER)
    repository.write(".lfsconfig", f"[lfs]\n    url = http://127.0.0.1:{port}/lfs\n")
    repository.write(".gitattributes", "*.json filter=lfs\n")
    repository.write(".dvc/config", REMOTE.format(port=port))
    repository.commit("v1")
    repository.write(".dvc/config.local", "[cache]\n    local = r\n")
    (repository.root / ".dvc/cache").rename(tmp_path / "away")
    (repository.root / "masks/x/ticket.json").unlink()
    contacted = []
    monkeypatch.setattr(socket.socket, "connect", lambda *given: contacted.append(given))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **_: contacted.append(given))
    monkeypatch.chdir(repository.root)
    assert "was not given" in refusal("masks/x@v1")
    refusal("masks/y@v1")
    assert "masks/z@v1: ticket.json is kept by git LFS; give --fetch" in refusal("masks/z@v1")
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()
    assert contacted == []


def test_variables_of_git_mislead_nobody(
    small: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other", dvc=False)
    other.write("masks/ticket.json", "of another")
    other.commit("v1")
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.root))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.root / ".git/objects"))
    assert found("masks@v1") == {"ticket.json": "one"}


STARS = "*a" * 5 + "b"
"""Takes seconds to be matched with 120 letters, and each star more multiplies that."""


@pytest.mark.parametrize("file", ["few stars", STARS, "x\n" * 10_000])
def test_what_somebody_elses_project_ignores_costs_no_time(
    small: Repository, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.write(".dvcignore", f"{file}\nunseen\n")
    for name in ("a" * 120, "b" * 120):
        small.write(f"masks/{name}/ticket.json", "t")
    small.write("masks/unseen/ticket.json", "t")
    small.commit("slow")
    began = time.process_time()
    names = found(f"{small.root}/masks@slow")
    assert time.process_time() - began < 2
    assert f"{'a' * 120}/ticket.json" in names
    assert ("unseen/ticket.json" in names) is (len(file) > 1000)


def test_patterns_of_few_stars_are_obeyed() -> None:
    assert all(map(is_cheap, ["/data", "*.tmp", "**/x/*.csv", "a?[bc]", "x***y"]))
    assert not any(map(is_cheap, ["*a*a*", "**/*/x/*", STARS]))
