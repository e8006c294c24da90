"""JSON documents that carry a digest of themselves."""

import json
import reprlib
from pathlib import Path

from lthctl.canonical import Json, canonical_json, sha256
from lthctl.errors import LthctlError
from lthctl.reading import read_file

JSON_LIMIT = 4 * 2**20  # bytes; ours are a few kilobytes


def seal(document: Json) -> bytes:
    """Canonical JSON of a document with its own digest in it, under "digest".

    Raises:
      ValueError: no key, such as "kind", comes after "digest".
    """
    # What the digest is of is the same without one line. It is the only one of this indent and key,
    # as no text in JSON holds a newline.
    before, line, after = canonical_json({**document, "digest": ""}).partition(b'\n  "digest": "",')
    if not line:
        raise ValueError("the digest would be the last key of the document")
    return b'%b\n  "digest": "%b",%b' % (before, sha256(before + after).encode(), after)


def unsealed(document: Json) -> Json:
    """A document without its digest."""
    return {key: value for key, value in document.items() if key != "digest"}


def read_json(path: Path, refuse: type[LthctlError], *, kind: str, schema: int) -> Json:
    """A JSON document of a kind; its own digest is not checked.

    Args:
      path: the file.
      refuse: the error to raise.
      kind: what "kind" in the document must say.
      schema: the newest schema that this version of lthctl reads.

    Raises:
      refuse: the file is missing, no JSON, of another kind, or of a newer schema or none.
    """
    return _read(path, refuse, kind, schema)[1]


def read_sealed(path: Path, refuse: type[LthctlError], *, kind: str, schema: int) -> Json:
    """A JSON document written by `seal`, its digest checked.

    Args:
      path, refuse, kind, schema: as in `read_json`.

    Raises:
      refuse: see `read_json`; or it was altered, be it by no more than a space: what is read would
        be written with the same bytes.
    """
    content, document = _read(path, refuse, kind, schema)
    try:
        intact = content == seal(unsealed(document))
    except (ValueError, RecursionError):  # NaN, infinity or deep nesting, which we never write
        intact = False
    if not intact:
        raise refuse(
            f"{path}: does not match its own digest, it was altered; restore it or make it again"
        )
    return document


def _read(path: Path, refuse: type[LthctlError], kind: str, newest: int) -> tuple[bytes, Json]:
    content = read_file(path, refuse, limit=JSON_LIMIT)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise refuse(
            f"{path}: is not JSON ({error}); it is truncated or damaged: make it again"
        ) from error
    if not isinstance(document, dict) or document.get("kind") != kind:
        actual = document.get("kind") if isinstance(document, dict) else type(document).__name__
        raise refuse(f"{path}: is of kind {reprlib.repr(actual)}, expected {kind!r}")
    schema = document.get("schema")
    if type(schema) is not int or schema < 1:
        raise refuse(
            f"{path}: has schema {reprlib.repr(schema)}, expected 1 to {newest}; "
            "lthctl did not write it"
        )
    if schema > newest:
        refusal = refuse(
            f"{path}: has schema {reprlib.repr(schema)}, this lthctl reads up to {newest}; "
            "upgrade lthctl"
        )
        refusal.newer = True
        raise refusal
    return content, document
