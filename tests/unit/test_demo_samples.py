"""The demo: its data is what it says, its lab meets nothing of the person's own, its evidence is honest. Stores: strict S3."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
from pathlib import Path

import nbformat
import pytest
from pyarrow import parquet  # type: ignore[import-untyped]

from jupyter_wherobots.demo.bucket import fill, s3_environment
from jupyter_wherobots.demo.evidence import compare
from jupyter_wherobots.demo.lab import Folders, command, environment
from jupyter_wherobots.demo.samples import PAGED, PLACE, Sample, first_samples, samples
from jupyter_wherobots.errors import InvalidRequest, NotPermitted, WherobotsError
from jupyter_wherobots.layout import Layout, LayoutName
from jupyter_wherobots.s3.bucket import ensure_bucket
from jupyter_wherobots.s3.client import S3
from tests.conftest import S3Environment
from tests.strict_s3 import Fault, StrictS3

LAYOUT = Layout(PLACE, LayoutName.V2024)
HOME = LAYOUT.home_prefix


@pytest.fixture(scope="module")
def made() -> dict[str, Sample]:
    everything = [*first_samples(PLACE), *samples(PLACE)]
    found = {sample.key: sample for sample in everything}
    assert len(found) == len(everything)
    return found


def own(made: dict[str, Sample], name: str) -> bytes:
    return made[f"acmegeo/data/customer-ada/{name}"].body


# -- samples ---------------------------------------------------------------------------------------


def test_there_is_something_in_every_root_and_in_places_that_are_not_ours(
    made: dict[str, Sample],
) -> None:
    for root in LAYOUT.roots:
        assert any(key.startswith(LAYOUT.key(root.path)) for key in made), root.path
    foreign = [key for key in made if LAYOUT.root_of(key.removeprefix("acmegeo")) is None]
    assert len(foreign) == 3
    assert not all(key.startswith("acmegeo/") for key in foreign)
    for key in foreign:
        if key.startswith("acmegeo/"):
            with pytest.raises(NotPermitted):
                LAYOUT.key(LAYOUT.path(key))
    assert all(LAYOUT.key(LAYOUT.path(key)) == key for key in made if key not in foreign)


def test_one_folder_needs_three_pages_and_others_have_odd_names(made: dict[str, Sample]) -> None:
    assert sum(key.startswith("acmegeo/data/customer-ada/tiles/") for key in made) == PAGED > 2000
    assert any("//" in key for key in made)
    assert any(key.endswith("/") for key in made)
    assert any(key + "/" == other[: len(key) + 1] for key in made for other in made if "odd" in key)
    assert any(not key.isascii() for key in made)


@pytest.mark.parametrize("name", ["cities.geojson", "catchments.geojson"])
def test_geojson_can_be_drawn(made: dict[str, Sample], name: str) -> None:
    content = json.loads(own(made, name))
    assert content["type"] == "FeatureCollection"
    assert len(content["features"]) >= 12
    for feature in content["features"]:
        geometry = feature["geometry"]
        rings = [[geometry["coordinates"]]]
        if geometry["type"] == "Polygon":
            rings = geometry["coordinates"]
            assert all(ring[0] == ring[-1] for ring in rings)
        for longitude, latitude in (point for ring in rings for point in ring):
            assert -180 <= longitude <= 180
            assert -90 <= latitude <= 90


def test_the_temperatures_have_twelve_months_for_each_city(made: dict[str, Sample]) -> None:
    rows = list(csv.DictReader(io.StringIO(own(made, "temperatures.csv").decode())))
    assert {row["month"] for row in rows} == {str(month) for month in range(1, 13)}
    assert len(rows) == 12 * len({row["city"] for row in rows})
    celsius = {(row["city"], row["month"]): float(row["celsius"]) for row in rows}
    assert celsius["Helsinki", "1"] < 10 < celsius["Helsinki", "7"]
    assert celsius["Sydney", "7"] < celsius["Sydney", "1"]


def test_the_parquet_is_a_partitioned_geoparquet_dataset(
    made: dict[str, Sample], tmp_path: Path
) -> None:
    prefix = "acmegeo/data/customer-ada/earthquakes/"
    for key, sample in made.items():
        if key.startswith(prefix) and key.endswith(".parquet"):
            file = tmp_path / key[len(prefix) :]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(sample.body)
            schema = parquet.read_schema(io.BytesIO(sample.body))
            geo = json.loads(schema.metadata[b"geo"])
            assert geo["primary_column"] in schema.names
    table = parquet.read_table(tmp_path, filters=[("year", "=", 2024), ("magnitude", ">=", 5)])
    assert table.num_rows == 750 + 375
    assert table["geometry"][0].as_py()[:5] == b"\x01\x01\x00\x00\x00"


def test_notebooks_are_valid_and_their_code_can_be_parsed(made: dict[str, Sample]) -> None:
    notebooks = {key: s.body for key, s in made.items() if key.endswith(".ipynb")}
    assert f"{HOME}Welcome.ipynb" in notebooks
    for body in notebooks.values():
        notebook = nbformat.reads(body.decode(), as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
        for cell in notebook.cells:
            if cell.cell_type == "code" and not cell.source.startswith("%"):
                ast.parse(cell.source)
    assert b"%env USER_S3_PATH" in notebooks[f"{HOME}Welcome.ipynb"]


# -- bucket ----------------------------------------------------------------------------------------


@pytest.fixture
def s3(strict_s3: StrictS3, s3_env: S3Environment) -> S3:
    s3_env(strict_s3)
    return S3(strict_s3.bucket)


def test_filling_overwrites_nothing_and_reports_what_is_refused(
    strict_s3: StrictS3, s3: S3
) -> None:
    strict_s3.put("a", b"mine")
    strict_s3.fail("PutObject", key="b", code="InvalidRequest")
    refused = fill(s3, [Sample("a", b"sample"), Sample("b", b""), Sample("c/", b"")], lambda: False)
    assert strict_s3.contents() == {"a": b"mine", "c/": b""}
    assert [error.path for error in refused] == [f"s3://{s3.bucket}/b"]


def test_filling_tries_again_what_a_server_failed_for_a_moment(strict_s3: StrictS3, s3: S3) -> None:
    """Before and after it was done: rclone fails so when many objects come into a new folder at once."""
    strict_s3.fail("PutObject", key="d/a", code="InternalError")
    strict_s3.fail("PutObject", Fault.ERROR_AFTER, key="d/b", code="InternalError")
    samples = [Sample(f"d/{name}", name.encode()) for name in "abc"]
    assert fill(s3, samples, lambda: False) == ()
    assert strict_s3.contents() == {"d/a": b"a", "d/b": b"b", "d/c": b"c"}


def test_filling_stops_when_it_is_told(strict_s3: StrictS3, s3: S3) -> None:
    assert fill(s3, [Sample("a", b"")], lambda: True) == ()
    assert strict_s3.keys() == []


def test_a_bucket_is_created_once(strict_s3: StrictS3, s3: S3) -> None:
    other = S3("another-bucket")
    assert [ensure_bucket(s3), ensure_bucket(other), ensure_bucket(other)] == [False, True, False]


def test_a_bucket_is_created_where_the_region_is(
    s3_env: S3Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StrictS3(region="eu-west-1") as server:
        s3_env(server)
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        assert ensure_bucket(S3("another-bucket"))
        assert not ensure_bucket(S3("another-bucket"))


# -- environment -----------------------------------------------------------------------------------


def test_the_embedded_s3_gets_nothing_of_the_persons_own() -> None:
    values = s3_environment(
        {"AWS_PROFILE": "work", "AWS_ACCESS_KEY_ID": "real", "NO_PROXY": "intern"},
        "http://127.0.0.1:1",
        embedded=True,
    )
    assert values["AWS_PROFILE"] is None
    assert values["AWS_ACCESS_KEY_ID"] == "demo"
    assert values["AWS_ENDPOINT_URL_S3"] == values["AWS_ENDPOINT_URL_STS"] == "http://127.0.0.1:1"
    assert values["NO_PROXY"] == "intern,127.0.0.1,localhost"


def test_another_endpoint_gets_the_credentials_of_the_environment_if_there_are_any() -> None:
    own = s3_environment(
        {"AWS_ACCESS_KEY_ID": "real", "AWS_REGION": "eu-west-1"}, "http://h", embedded=False
    )
    none = s3_environment({}, "http://h", embedded=False)
    assert "AWS_ACCESS_KEY_ID" not in own
    assert own["AWS_REGION"] == "eu-west-1"
    assert none["AWS_ACCESS_KEY_ID"] == "demo"


def test_the_lab_has_its_own_home_and_settings_and_our_variables(tmp_path: Path) -> None:
    folders = Folders(tmp_path, tmp_path / "home")
    folders.prepare()
    parent = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "LANG": "C.UTF-8",
        "JUPYTERHUB_API_TOKEN": "secret",
        "JUPYTER_CONFIG_DIR": "/home/me/.jupyter",
        "USER_S3_PATH": "s3://mine/",
        "WHEROBOTS_HOME_PERSISTENCE": "off",
        "XDG_STATE_HOME": "/home/me/state",
        "AWS_PROFILE": "work",
    }
    s3 = s3_environment(parent, "http://127.0.0.1:1", embedded=True)
    values = environment(parent, s3, PLACE, folders, "T", own_state=True)
    assert values["LANG"] == "C.UTF-8"
    assert values["HOME"] == values["WHEROBOTS_HOME"] == str(folders.home)
    assert values["WHEROBOTS_HOME_PERSISTENCE"] == "sync"
    assert values["PATH"].endswith(f"{os.pathsep}/bin")
    assert not {"JUPYTERHUB_API_TOKEN", "USER_S3_PATH", "XDG_STATE_HOME", "AWS_PROFILE"} & set(
        values
    )
    assert "/home/me" not in " ".join(values.values())
    assert "T" not in command(folders, 8899)  # a command line is seen by everybody


def test_a_home_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidRequest, match="cannot be used"):
        Folders(tmp_path, tmp_path / "file" / "home").prepare()


# -- evidence --------------------------------------------------------------------------------------


def test_evidence_finds_every_difference_by_itself(
    strict_s3: StrictS3, s3: S3, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "folder").mkdir(parents=True)
    (home / ".cache").mkdir()
    for name in ("same", "folder/changed", "lost", ".cache/left out", "empty"):
        (home / name).write_bytes(b"" if name == "empty" else b"here")
    (home / "link").symlink_to("same")
    (home / "state").mkdir()
    (home / "state" / "journal").write_bytes(b"")
    strict_s3.put_many(
        {
            f"{HOME}same": b"here",
            f"{HOME}folder/changed": b"HERE",
            f"{HOME}empty": b"",
            f"{HOME}link": b"same",
            f"{HOME}only there": b"x",
        }
    )
    evidence = compare(s3, HOME, home, home / "state")
    assert evidence.missing == ("lost",)
    assert evidence.different == ("folder/changed",)
    assert evidence.left_out == (".cache/", "state/")
    assert (evidence.files, evidence.bytes) == (5, 8)
    assert not evidence.complete


def test_evidence_of_a_home_that_is_saved_is_complete(
    strict_s3: StrictS3, s3: S3, tmp_path: Path
) -> None:
    (tmp_path / "a b").write_bytes(b"x" * 3_000_000)
    strict_s3.put(f"{HOME}a b", b"x" * 3_000_000)
    evidence = compare(s3, HOME, tmp_path, tmp_path / "state")
    assert evidence.complete
    assert (evidence.files, evidence.bytes) == (1, 3_000_000)


def test_evidence_that_cannot_be_had_is_an_error(
    strict_s3: StrictS3, s3: S3, tmp_path: Path
) -> None:
    strict_s3.stop()
    with pytest.raises(WherobotsError, match="did not answer"):
        compare(s3, HOME, tmp_path, tmp_path / "state")
