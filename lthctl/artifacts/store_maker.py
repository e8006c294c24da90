"""Who made a store: told by a mark in it that only its maker's machine could have written.

A training in a store can be invented, with digests that fit. So a store that came with somebody's
clone or archive is told from one's own. The mark is a code over a random name, made with a key that
lies in the user's home and never leaves it. It proves who made the store, and nothing about what
others with access to it have put there since.
"""

import hashlib
import hmac
import json
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path

from lthctl.canonical import canonical_json
from lthctl.disk import flush_folder, write_file
from lthctl.errors import LthctlError, RunError
from lthctl.reading import read_file
from lthctl.replacing import hidden_sibling

MARK_FILE = "maker.json"

KEY_BYTES = 32

LIMIT = 4096  # bytes of either file


def marked_as_own(root: Path) -> bool | None:
    """Whether the mark of a store is this user's; None where nobody can tell, as the user has no
    place for a key."""
    key = _key(make=False)
    if key is None:
        return None if _key(make=True) is None else False
    try:
        said = json.loads(read_file(root / MARK_FILE, RunError, limit=LIMIT))
        name, code = str(said["store"]), str(said["code"])
    except (LthctlError, ValueError, TypeError, LookupError, RecursionError):
        return False
    return hmac.compare_digest(code, _code(key, name))


def mark_as_own(root: Path) -> None:
    """Mark a store as this user's, if there is a place for a key.

    Raises:
      OutputError: the mark cannot be written.
    """
    key = _key(make=True)
    if key is not None:
        name = secrets.token_hex(16)
        write_file(root / MARK_FILE, canonical_json({"store": name, "code": _code(key, name)}))


def _code(key: bytes, name: str) -> str:
    return hmac.new(key, name.encode(errors="replace"), hashlib.sha256).hexdigest()


def _key(*, make: bool) -> bytes | None:
    """The user's key; a new one if there is none and one is to be made."""
    with suppress(OSError, RuntimeError):  # there may be no home, or none that can be written
        place = _state_folder() / "lthctl" / "store-key"
        if make and not (place.exists() and place.stat().st_size == KEY_BYTES):
            _make_key(place)
        key = place.read_bytes()
        return key if len(key) == KEY_BYTES else None
    return None


def _make_key(place: Path) -> None:
    """Put a new key in its place, whole; where two do so at once, the first counts."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    hidden = hidden_sibling(place)
    try:
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        if place.exists():  # half of one, which was cut off
            hidden.replace(place)
        else:
            with suppress(FileExistsError):
                os.link(hidden, place)
        flush_folder(place.parent)  # without its key, a store counts as somebody else's
        flush_folder(place.parent.parent)
    finally:
        hidden.unlink(missing_ok=True)


def _state_folder() -> Path:
    given = os.environ.get("XDG_STATE_HOME", "")
    if Path(given).is_absolute():  # else it says nothing, as its standard has it
        return Path(given)
    mac = ("Library", "Application Support")
    return Path.home().joinpath(*(mac if sys.platform == "darwin" else (".local", "state")))
