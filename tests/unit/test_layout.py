"""The layout: every kind of path has its permission, and no path reaches a key that is not the user's."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from jupyter_wherobots.errors import InvalidPath, NotFound, NotPermitted, WherobotsError
from jupyter_wherobots.layout import AccessKind, Layout, LayoutName, Place

PLACE = Place("wbts-wbc-m97rcg45xi", "jf3gkm4ile", "besg0oop07pktb")
CURRENT = Layout(PLACE, LayoutName.CURRENT)
V2024 = Layout(PLACE, LayoutName.V2024)
LAYOUTS = {"current": CURRENT, "2024": V2024}
OWN = "/data/customer-besg0oop07pktb/"

both = pytest.mark.parametrize("layout", [CURRENT, V2024], ids=["current", "2024"])

C, R, B, N = AccessKind.CONTAINER, AccessKind.ROOT, AccessKind.INSIDE, AccessKind.INTERNAL
F, U = AccessKind.FOREIGN, AccessKind.UNKNOWN

# path, kind in the current layout, kind in the 2024 layout
KINDS = [
    ("/", C, C),
    ("/data", C, C),
    ("/data/", C, C),
    ("/notebooks/", U, C),
    (OWN, R, R),
    (OWN[:-1], R, R),
    ("/data/shared/", R, R),
    ("/spark-logs/", R, R),
    ("/spark-logs", R, R),
    ("/notebooks/customer-besg0oop07pktb/", U, R),
    ("/notebooks/shared/", U, R),
    (OWN + "a.csv", B, B),
    (OWN + "/", B, B),
    (OWN + "/a", B, B),
    (OWN + "folder/", B, B),
    (OWN + "%2e%2e/x", B, B),
    (OWN + "..", B, B),
    ("/data/shared/é ü/名前.tif", B, B),
    ("/spark-logs/app-1/events", B, B),
    ("/notebooks/customer-besg0oop07pktb/a.ipynb", U, B),
    ("/notebooks/customer-besg0oop07pktb/.wherobots", U, N),
    ("/notebooks/customer-besg0oop07pktb/.wherobots/", U, N),
    ("/notebooks/customer-besg0oop07pktb/.wherobots/lease.json", U, N),
    ("/notebooks/customer-besg0oop07pktb/.wherobotsignore", U, B),
    ("/notebooks/customer-besg0oop07pktb/sub/.wherobots/x", U, B),
    ("/data/customer-other/", F, F),
    ("/data/customer-other/secret", F, F),
    ("/data/customer-besg0oop07pktbx/", F, F),
    ("/data/customer-besg0oop07pkt/", F, F),
    ("/data/customer-/", F, F),
    ("/data/Customer-besg0oop07pktb/", U, U),
    ("/notebooks/customer-other/", F, F),
    ("/data/shared-old/", U, U),
    ("/data/sharedx", U, U),
    ("/data//shared/", U, U),
    ("//data/shared/", U, U),
    ("/data/a.csv", U, U),
    ("/a.csv", U, U),
    ("/spark-logs-old/x", U, U),
    ("/data/./shared/", U, U),
    ("/data/../data/shared/", U, U),
]


@pytest.mark.parametrize(("path", "current", "v2024"), KINDS)
def test_every_kind_of_path_is_told_apart(
    path: str, current: AccessKind, v2024: AccessKind
) -> None:
    assert (CURRENT.access(path).kind, V2024.access(path).kind) == (current, v2024)


PERMISSIONS = {  # mutate_protected, upload_protected
    C: (True, True),
    R: (True, False),
    B: (False, False),
    N: (True, True),
    F: (True, True),
    U: (True, True),
}


@both
@pytest.mark.parametrize("path", [row[0] for row in KINDS])
def test_permission_follows_from_the_kind_and_a_refusal_has_a_reason(
    layout: Layout, path: str
) -> None:
    access = layout.access(path)
    assert (access.mutate_protected, access.upload_protected) == PERMISSIONS[access.kind]
    assert access.reason or not access.mutate_protected


@both
def test_spark_logs_ask_before_every_change(layout: Layout) -> None:
    assert layout.access("/spark-logs/").confirmation
    assert layout.access("/spark-logs/app/x").confirmation
    assert layout.access("/data/shared/x").confirmation is None


def test_fixed_folders_name_their_children() -> None:
    own = "customer-besg0oop07pktb"
    assert CURRENT.children("/") == ("data", "spark-logs")
    assert V2024.children("/") == ("data", "notebooks", "spark-logs")
    assert V2024.children("/data") == (own, "shared")
    assert V2024.children("/notebooks/") == (own, "shared")
    assert CURRENT.children("/notebooks/") is None
    assert V2024.children("/data/shared/") is None


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (OWN, "jf3gkm4ile/data/customer-besg0oop07pktb/"),
        (OWN[:-1], "jf3gkm4ile/data/customer-besg0oop07pktb/"),
        (OWN + "a b+c%20é.tif", "jf3gkm4ile/data/customer-besg0oop07pktb/a b+c%20é.tif"),
        (OWN + "/tiles.parquet", "jf3gkm4ile/data/customer-besg0oop07pktb//tiles.parquet"),
        (OWN + "x/", "jf3gkm4ile/data/customer-besg0oop07pktb/x/"),
        ("/spark-logs/a", "jf3gkm4ile/spark-logs/a"),
    ],
)
def test_the_key_is_the_organization_and_the_path_verbatim(path: str, key: str) -> None:
    assert CURRENT.key(path) == key
    assert CURRENT.uri(path) == f"s3://wbts-wbc-m97rcg45xi/{key}"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("", InvalidPath),
        ("data/shared/", InvalidPath),
        ("s3://wbts-wbc-m97rcg45xi/", InvalidPath),
        (OWN + "\udcff", InvalidPath),
        (OWN + "../customer-other/x", InvalidPath),
        (OWN + "a/./b", InvalidPath),
        (OWN + "..", InvalidPath),
        (OWN + "x" * 1024, InvalidPath),
        ("/", NotPermitted),
        ("/data/", NotPermitted),
        ("/data/customer-other/x", NotPermitted),
        ("/data/x.csv", NotFound),
        ("/notebooks/shared/x", NotFound),
    ],
)
def test_what_is_not_a_place_of_this_user_has_no_key(path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        CURRENT.key(path)


def test_a_key_of_1024_bytes_is_the_longest() -> None:
    room = 1024 - len(CURRENT.key(OWN))
    assert len(CURRENT.key(OWN + "x" * room)) == 1024
    with pytest.raises(InvalidPath, match="1024"):
        CURRENT.key(OWN + "é" * (room // 2 + 1))


def test_the_variables_have_the_shape_of_the_platform() -> None:
    base = "s3://wbts-wbc-m97rcg45xi/jf3gkm4ile/data"
    assert CURRENT.environment() == {
        "USER_S3_PATH": f"{base}/customer-besg0oop07pktb/",
        "USER_S3_SHARED_PATH": f"{base}/shared/",
        "USER_WAREHOUSE_PATH": f"{base}/customer-besg0oop07pktb/warehouse/",
    }
    bare = CURRENT.environment(trailing_slash=False)
    assert bare["USER_S3_PATH"] == f"{base}/customer-besg0oop07pktb"
    assert not any(value.endswith("/") for value in bare.values())


def test_home_lies_under_notebooks_in_both_layouts() -> None:
    for layout in LAYOUTS.values():
        assert layout.home_prefix == "jf3gkm4ile/notebooks/customer-besg0oop07pktb/"


def test_fixed_folders_have_a_uri_and_foreign_ones_none() -> None:
    assert CURRENT.uri("/") == "s3://wbts-wbc-m97rcg45xi/jf3gkm4ile/"
    assert CURRENT.uri("/data") == "s3://wbts-wbc-m97rcg45xi/jf3gkm4ile/data/"
    with pytest.raises(NotPermitted, match="private to another user"):
        CURRENT.uri("/data/customer-other/")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://other-bucket/jf3gkm4ile/data/shared/x",
        "s3://wbts-wbc-m97rcg45xi/other/data/shared/x",
        "s3://wbts-wbc-m97rcg45xi/jf3gkm4ilex/data/shared/x",
        "https://wbts-wbc-m97rcg45xi/jf3gkm4ile/data/shared/x",
        "s3://wbts-wbc-m97rcg45xi",
    ],
)
def test_a_uri_of_another_place_is_refused(uri: str) -> None:
    with pytest.raises(InvalidPath):
        CURRENT.path_of_uri(uri)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (("", "", ""), ["bucket", "organization", "user"]),
        (("b", "o", "u"), ["bucket"]),
        (("s3://bucket", "o", "u"), ["bucket"]),
        (("buc/ket", "o", "u"), ["bucket"]),
        (("bucket", "a/b", "u"), ["organization"]),
        (("bucket", "..", "u"), ["organization"]),
        (("bucket", " o", "u"), ["organization"]),
        (("bucket", "o", "customer-abc"), ["user"]),
        (("bucket", "o", "a\nb"), ["user"]),
        (("bucket", "o", "\udcff"), ["user"]),
        (("wbts-wbc-m97rcg45xi", "jf3gkm4ile", "besg0oop07pktb"), []),
        (("my.bucket_1", "org", "jane.doe@example.com"), []),
    ],
)
def test_what_is_wrong_with_a_place_is_said_by_setting(
    settings: tuple[str, str, str], wrong: list[str]
) -> None:
    problems = Place.problems(*settings)
    assert [problem.setting for problem in problems] == wrong
    assert all(problem.setting in problem.message for problem in problems)


# -- properties ------------------------------------------------------------------------------------

_SEGMENTS = [
    "",
    ".",
    "..",
    "data",
    "shared",
    "notebooks",
    "spark-logs",
    "customer-a",
    "customer-ab",
]
_SEGMENTS += ["%2e%2e", "customer-", "customer-ä", "Customer-a", "customer\u2010a", ".wherobots"]
_SEGMENTS += ["a b", "\\..\\", "\x00", "\uff0f"]
_SEGMENT = st.sampled_from(_SEGMENTS) | st.text(max_size=6)
_PATH = st.lists(_SEGMENT, max_size=7).map("/".join) | st.text(max_size=40)
_ID = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"),
    min_size=1,
    max_size=12,
)
_LAYOUT = st.builds(
    Layout,
    st.builds(Place, st.just("bucket"), _ID, _ID | st.just("a")),
    st.sampled_from(LayoutName),
)


@given(_LAYOUT, _PATH)
@example(Layout(Place("bucket", "o", "a"), LayoutName.V2024), "/data/customer-a/../customer-ab/x")
def test_no_path_reaches_a_key_outside_the_roots(layout: Layout, path: str) -> None:
    assume(not Place.problems("bucket", layout.place.organization, layout.place.user))
    try:
        key = layout.key(path if path.startswith("/") else "/" + path)
    except WherobotsError:
        return
    organization, customer = layout.place.organization, f"customer-{layout.place.user}"
    segments = key.split("/")
    assert segments[0] == organization
    assert not {".", ".."} & set(segments)
    assert segments[1:2] == ["spark-logs"] or (
        segments[1] in ("data", "notebooks")
        and segments[2] in (customer, "shared")
        and len(segments) > 3
    )
    if layout.name is LayoutName.CURRENT:
        assert segments[1] != "notebooks"


@given(_LAYOUT, st.integers(0, 4), st.text(max_size=30))
def test_path_key_and_uri_are_one_round_trip(layout: Layout, which: int, rest: str) -> None:
    path = layout.roots[which % len(layout.roots)].path + rest
    try:
        key = layout.key(path)
    except InvalidPath:
        return
    assert layout.path(key) == path
    assert layout.key(layout.path(key)) == key
    assert layout.uri(path) == f"s3://bucket/{key}"
    assert layout.path_of_uri(layout.uri(path)) == path


@given(_LAYOUT, _PATH)
def test_every_path_has_an_access_and_never_an_accident(layout: Layout, path: str) -> None:
    try:
        access = layout.access(path)
    except InvalidPath:
        return
    assert access.reason or access.kind is AccessKind.INSIDE
