"""The second fuzzer sees what it is to see. How long it fuzzes is up to `make fuzz-guided`."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.guided import Broken, Watch, as_files, fill, try_one, words
from tests.guided_readers import Reader, readers

READERS = readers()


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def filled(reader: Reader, folder: Path) -> Path:
    fill(folder, reader)
    return folder


@pytest.mark.parametrize("name", READERS)
def test_originals_are_taken_and_damaged_ones_refused(
    name: str, tmp_path: Path, watch: Watch
) -> None:
    reader = READERS[name]
    original = reader.originals[reader.changed]
    folder = filled(reader, tmp_path)
    assert try_one(reader, original, folder, watch)
    others = b"\xff" + original, original[: len(original) // 2], b""
    assert not all(try_one(reader, other, folder, watch) for other in others)


@pytest.mark.parametrize("name", READERS)
def test_it_passes_the_digests(name: str) -> None:
    reader = READERS[name]
    files = as_files(reader, reader.originals[reader.changed])
    assert files == reader.originals, "an unchanged file changes no digest"
    if reader.document and reader.changed != reader.document:
        changed = as_files(reader, b"other")
        assert changed[reader.document] != reader.originals[reader.document]


def test_what_a_reader_must_not_do_is_seen(tmp_path: Path, watch: Watch) -> None:
    reader = READERS["settings/params.yaml"]
    folder = filled(reader, tmp_path)

    def fails(place: Path) -> dict[str, bytes]:
        raise KeyError(place.name)

    def writes(place: Path) -> dict[str, bytes]:
        (place / "more").write_text("")
        return {}

    with pytest.raises(KeyError):
        try_one(replace(reader, read=fails), b"", folder, watch)
    with pytest.raises(Broken, match="more"):
        try_one(replace(reader, read=writes), b"", folder, watch)


def test_a_document_that_would_be_written_otherwise_is_seen(tmp_path: Path, watch: Watch) -> None:
    reader = READERS["ticket/ticket.json"]
    folder = filled(reader, tmp_path)

    def other(place: Path) -> dict[str, bytes]:
        return {"ticket.json": (place / "ticket.json").read_bytes() + b" "}

    with pytest.raises(Broken, match="otherwise"):
        try_one(replace(reader, read=other), reader.originals["ticket.json"], folder, watch)


def test_the_dictionary_has_the_words_of_the_original() -> None:
    lines = words(READERS["settings/params.yaml"]).splitlines()
    assert '"' + "".join(f"\\x{byte:02x}" for byte in b"momentum") + '"' in lines
