"""Stat, counting, searching and zipping. Strict S3 (and moto where it can follow)."""

from __future__ import annotations

import io
import threading
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_wherobots.errors import InvalidPath, NotFound, NotPermitted, TooLarge, Unreachable
from jupyter_wherobots.storage import archive as archives
from jupyter_wherobots.storage.entries import EntryType
from jupyter_wherobots.storage.reading import content_type
from jupyter_wherobots.storage.search import matcher
from tests.stored import OWN, Stored
from tests.strict_s3 import Fault, StrictS3

# -- stat -----------------------------------------------------------------------------------------


def test_stat_tells_a_file_from_a_folder_of_its_name(stored: Stored) -> None:
    for path in ("x", "x/y", "only/y", "body/", "marker/"):
        stored.put(OWN + path, b"" if path == "marker/" else b"123")
    stat = stored.storage.stat

    def seen(path: str, kind: EntryType | None = None) -> tuple[str, str, int | None]:
        entry = stat(OWN + path, kind).entry
        return entry.path[len(OWN) :], entry.type.value, entry.size

    assert seen("x") == ("x", "FILE", 3)
    assert seen("x/") == ("x/", "FOLDER", None)
    assert seen("x", EntryType.FOLDER) == ("x/", "FOLDER", None)
    assert seen("only") == ("only/", "FOLDER", None)
    assert seen("marker") == ("marker/", "FOLDER", None)
    assert seen("body/") == ("body/", "FOLDER", None)
    assert seen("body/", EntryType.FILE) == ("body/", "FILE", 3)
    for path, kind in (("only", EntryType.FILE), ("nothing", None), ("nothing/", None)):
        with pytest.raises(NotFound):
            stat(OWN + path, kind)


def test_stat_of_fixed_folders_and_roots_needs_no_s3(strict: Stored, strict_s3: StrictS3) -> None:
    for path in ("/", "/data", "/data/", "/data/customer-abc", OWN, "/spark-logs/"):
        assert strict.storage.stat(path).entry.type is EntryType.FOLDER
    assert strict_s3.count() == 0
    with pytest.raises(NotPermitted):
        strict.storage.stat("/data/customer-abcd/x")


def test_stat_shows_type_and_metadata(strict: Stored, strict_s3: StrictS3) -> None:
    etag = strict_s3.put("org" + OWN + "a.geojson", b"{}", metadata={"colour": "red"})
    detail = strict.storage.stat(OWN + "a.geojson")
    assert detail.content_type == "application/geo+json"
    assert detail.metadata == {"colour": "red"}
    assert detail.entry.etag == etag


@pytest.mark.parametrize(
    ("name", "stored_type", "media"),
    [
        ("a.csv", None, "text/csv"),
        ("a.csv", "binary/octet-stream", "text/csv"),
        ("a.csv", "text/x-own", "text/x-own"),
        ("a.csv.gz", None, "application/gzip"),
        ("a.csv.bz2", None, "application/octet-stream"),
        ("A.GeoJSON", None, "application/geo+json"),
        ("a.ipynb", None, "application/x-ipynb+json"),
        ("noname", None, "application/octet-stream"),
    ],
)
def test_the_type_comes_from_the_store_else_from_the_name(
    name: str, stored_type: str | None, media: str
) -> None:
    assert content_type(OWN + name, stored_type) == media


# -- measure --------------------------------------------------------------------------------------


def test_measure_counts_files_and_everything_below_folders(stored: Stored) -> None:
    for path in ("a", "f/a", "f/g/b", "fx"):
        stored.put(OWN + path, b"12345")
    assert stored.storage.measure([OWN + "a"], 10).to_json() == {
        "objects": 1,
        "bytes": 5,
        "complete": True,
    }
    assert stored.storage.measure([OWN + "f/", OWN + "a"], 10).bytes == 15
    assert stored.storage.measure(["/"], 10).objects == 4
    assert stored.storage.measure(["/data/shared/"], 10).objects == 0
    with pytest.raises(NotFound):
        stored.storage.measure([OWN + "nothing/"], 10)


def test_measure_ends_at_its_limit(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.generate("org" + OWN + "many/", 1_000_000, size=7)
    found = strict.storage.measure([OWN + "many/"], 2500)
    assert (found.objects, found.bytes, found.complete) == (2500, 17500, False)
    assert strict_s3.count("ListObjectsV2") == 4  # three pages and the look whether it is there


# -- search ---------------------------------------------------------------------------------------


def found(stored: Stored, path: str, name: str, limit: int = 1000) -> list[str]:
    steps = list(stored.storage.search(path, name, limit))
    assert steps[-1].complete is not None
    assert all(step.complete is None for step in steps[:-1])
    entries = [entry for step in steps for entry in step.entries]
    assert steps[-1].found == len(entries)
    return [entry.path for entry in entries]


def test_search_finds_files_and_folders_by_fragment_and_glob(stored: Stored) -> None:
    for path in (
        "2024/roads/a.csv",
        "2024/roads/b.CSV",
        "2024/Road.txt",
        "x/roads",
        "e/",
        "//road",
    ):
        stored.put(OWN + path, b"" if path == "e/" else b"1")
    assert found(stored, OWN, "road") == [
        OWN + "//road",
        OWN + "2024/Road.txt",
        OWN + "2024/roads/",
        OWN + "x/roads",
    ]
    assert found(stored, OWN, "*.csv") == [OWN + "2024/roads/a.csv", OWN + "2024/roads/b.CSV"]
    assert found(stored, OWN, "2024/**/*.csv") == [
        OWN + "2024/roads/a.csv",
        OWN + "2024/roads/b.CSV",
    ]
    assert found(stored, OWN, "2024/*") == [OWN + "2024/Road.txt", OWN + "2024/roads/"]
    assert found(stored, OWN, "e") == [OWN + "e/"]
    assert found(stored, OWN + "2024/", "2024") == []
    assert found(stored, "/", "customer") == [OWN]
    assert found(stored, OWN, "road", limit=2) == [OWN + "//road", OWN + "2024/Road.txt"]


def test_search_of_a_million_keys_tells_how_far_it_is(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.generate("org" + OWN, 1_000_000, name="{high:05d}/{low:03d}.csv")
    stop = threading.Event()
    steps = strict.storage.search(OWN, "00001/*", 1000, stop)
    assert next(steps).scanned == 1000
    second = next(steps)
    assert second.found == 1000
    assert second.complete is False  # as many as were asked for
    steps = strict.storage.search(OWN, "never-there", 1000, stop)
    for _ in range(20):
        last = next(steps)
    assert last.scanned == 20_000
    stop.set()
    assert next(steps).complete is False
    assert next(steps, None) is None


@given(
    st.lists(st.sampled_from(["a", "b", "**"]), min_size=2, max_size=5),
    st.lists(st.sampled_from("ab"), min_size=1, max_size=6),
)
def test_two_stars_stand_for_any_number_of_folders(pattern: list[str], path: list[str]) -> None:
    def matches(pattern: list[str], path: list[str]) -> bool:
        if not pattern:
            return not path
        if pattern[0] == "**":
            return any(matches(pattern[1:], path[i:]) for i in range(len(path) + 1))
        return bool(path) and path[0] == pattern[0] and matches(pattern[1:], path[1:])

    assert matcher("/".join(pattern))(path) == matches(pattern, path)


def test_a_hostile_glob_takes_no_time() -> None:
    assert not matcher("*a" * 40 + "b/**/" * 20 + "x")(["a" * 500] * 50)


# -- zip ------------------------------------------------------------------------------------------


def unpacked(stored: Stored, *paths: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(stored.storage.archive(paths)))) as packed:
        assert packed.testzip() is None
        assert len(set(packed.namelist())) == len(packed.namelist())
        return {name: packed.read(name) for name in packed.namelist()}


def test_a_zip_holds_every_byte_under_the_folders_name(stored: Stored) -> None:
    large = bytes(range(256)) * 8192  # 2 MiB: streamed, not read ahead
    stored.put(OWN + "f/large", large)
    stored.put(OWN + "f/a b ü.txt", b"small")
    stored.put(OWN + "f/empty", b"")
    stored.put(OWN + "f/g/", b"")
    stored.put(OWN + "other", b"one")
    assert unpacked(stored, OWN + "f/", OWN + "other") == {
        "f/large": large,
        "f/a b ü.txt": b"small",
        "f/empty": b"",
        "f/g/": b"",
        "other": b"one",
    }
    assert set(unpacked(stored, "/data/")) >= {"data/customer-abc/other"}


def test_no_name_in_a_zip_leads_out_of_it(stored: Stored) -> None:
    for name in ("../up", "..", "/abs", "C:\\x", "_errors.txt", "n\x01", "body/", "body/x", "."):
        stored.put(OWN + "f/" + name, name.encode())
    content = unpacked(stored, OWN + "f/")
    for name in content:
        assert name.startswith("f/")
        assert not {"", ".", ".."} & set(name.split("/"))
        assert not set(name) & set("\\:\x01")
    assert len(content) == 9
    assert sorted(content.values()) == sorted(
        name.encode()
        for name in ("../up", "..", "/abs", "C:\\x", "_errors.txt", "n\x01", "body/", "body/x", ".")
    )


def test_what_cannot_be_read_is_named_in_the_zip(strict: Stored, strict_s3: StrictS3) -> None:
    strict_s3.put("org" + OWN + "f/good", b"1")
    strict_s3.put("org" + OWN + "f/secret", b"2")
    strict_s3.fail("GetObject", code="AccessDenied", key="*secret", times=None)
    content = unpacked(strict, OWN + "f/")
    assert content["f/good"] == b"1"
    assert "f/secret: Your role may not read" in content["_errors.txt"].decode()


def test_a_zip_is_refused_before_it_begins(
    strict: Stored, strict_s3: StrictS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound):
        strict.storage.archive([OWN + "nothing/"])
    with pytest.raises(NotPermitted):
        strict.storage.archive(["/data/customer-abcd/"])
    with pytest.raises(InvalidPath):
        strict.storage.archive(["data"])
    monkeypatch.setattr(archives, "MAX_OBJECTS", 10)
    strict_s3.generate("org" + OWN + "many/", 11)
    with pytest.raises(TooLarge):
        strict.storage.archive([OWN + "many/"])


def test_a_break_in_the_middle_of_an_object_ends_the_zip(
    strict: Stored, strict_s3: StrictS3
) -> None:
    strict_s3.put_synthetic("org" + OWN + "large", 5_000_000)
    strict_s3.fail("GetObject", Fault.SHORT_BODY, times=None)
    pieces = strict.storage.archive([OWN + "large"])
    assert next(pieces)
    with pytest.raises(Unreachable):
        list(pieces)
