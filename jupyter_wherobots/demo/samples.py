"""What the demo's bucket holds: made by this program, the same bytes every time, nothing downloaded.

The cities are real (coordinates and rounded populations of their urban areas); temperatures, earthquakes and logs are made up.
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..layout import Place
from .notebooks import home_notebooks, shared_notebook

PLACE = Place(bucket="wherobots-demo", organization="acmegeo", user="ada")
"""Whose storage the demo shows."""

PAGED = 2_500
"""Objects in the folder that shows paging: more than two of S3's pages of 1,000."""


@dataclass(frozen=True)
class Sample:
    """One object of the demo's bucket."""

    key: str
    body: bytes
    content_type: str = "application/octet-stream"


@dataclass(frozen=True)
class City:
    """A city: degrees (WGS 84) and millions of people."""

    name: str
    country: str
    latitude: float
    longitude: float
    millions: float


CITIES = tuple(
    City(*row)
    for row in (
        ("Accra", "Ghana", 5.56, -0.20, 2.7),
        ("Amsterdam", "Netherlands", 52.37, 4.90, 1.2),
        ("Athens", "Greece", 37.98, 23.73, 3.2),
        ("Auckland", "New Zealand", -36.85, 174.76, 1.7),
        ("Bangkok", "Thailand", 13.75, 100.52, 11.2),
        ("Berlin", "Germany", 52.52, 13.40, 3.6),
        ("Bogotá", "Colombia", 4.71, -74.07, 11.5),
        ("Buenos Aires", "Argentina", -34.60, -58.38, 15.6),
        ("Cairo", "Egypt", 30.04, 31.24, 22.6),
        ("Cape Town", "South Africa", -33.93, 18.42, 5.0),
        ("Delhi", "India", 28.61, 77.21, 33.8),
        ("Dhaka", "Bangladesh", 23.81, 90.41, 23.9),
        ("Helsinki", "Finland", 60.17, 24.94, 1.3),
        ("Hanoi", "Vietnam", 21.03, 105.85, 5.4),
        ("Istanbul", "Türkiye", 41.01, 28.98, 16.0),
        ("Jakarta", "Indonesia", -6.21, 106.85, 11.4),
        ("Karachi", "Pakistan", 24.86, 67.01, 17.6),
        ("Kinshasa", "DR Congo", -4.44, 15.27, 17.0),
        ("Lagos", "Nigeria", 6.52, 3.38, 16.5),
        ("Lima", "Peru", -12.05, -77.04, 11.4),
        ("Lisbon", "Portugal", 38.72, -9.14, 3.0),
        ("London", "United Kingdom", 51.51, -0.13, 9.7),
        ("Los Angeles", "United States", 34.05, -118.24, 12.6),
        ("Manila", "Philippines", 14.60, 120.98, 14.9),
        ("Mexico City", "Mexico", 19.43, -99.13, 22.5),
        ("Montréal", "Canada", 45.50, -73.57, 4.3),
        ("Mumbai", "India", 19.08, 72.88, 21.7),
        ("Nairobi", "Kenya", -1.29, 36.82, 5.5),
        ("New York", "United States", 40.71, -74.01, 19.0),
        ("Osaka", "Japan", 34.69, 135.50, 19.0),
        ("Paris", "France", 48.86, 2.35, 11.3),
        ("Reykjavík", "Iceland", 64.15, -21.94, 0.2),
        ("São Paulo", "Brazil", -23.55, -46.63, 22.8),
        ("Seattle", "United States", 47.61, -122.33, 3.5),
        ("Seoul", "South Korea", 37.57, 126.98, 10.0),
        ("Shanghai", "China", 31.23, 121.47, 29.9),
        ("Singapore", "Singapore", 1.35, 103.82, 6.1),
        ("Sydney", "Australia", -33.87, 151.21, 5.2),
        ("Tehran", "Iran", 35.69, 51.39, 9.6),
        ("Tokyo", "Japan", 35.68, 139.69, 37.1),
        ("Zürich", "Switzerland", 47.37, 8.54, 1.4),
    )
)

# Where the made-up earthquakes lie: rough lines along plate boundaries, as (longitude, latitude).
_FAULTS = (
    ((-125.0, 48.5), (-124.4, 40.4), (-121.5, 36.8), (-115.6, 32.6)),
    ((-81.5, -4.0), (-77.5, -12.5), (-71.0, -20.0), (-72.5, -34.0), (-75.0, -45.0)),
    ((145.5, 44.0), (142.5, 38.0), (140.8, 33.0), (142.0, 25.0)),
    ((95.0, 5.0), (100.0, -2.0), (106.0, -8.0), (116.0, -10.0), (125.0, -9.0)),
    ((26.5, 40.3), (31.0, 40.8), (36.0, 40.0), (41.0, 39.2)),
)


def first_samples(place: Place) -> Iterator[Sample]:
    """What must lie in the bucket before the server starts: the home directory that it restores."""
    home = f"{place.organization}/notebooks/customer-{place.user}/"
    for name, notebook in home_notebooks().items():
        yield Sample(home + name, notebook, "application/x-ipynb+json")
    yield Sample(home + "notes/ideas.md", _IDEAS, "text/markdown")


def samples(place: Place) -> Iterator[Sample]:
    """Everything else: data, shared folders, logs, odd names, a long folder, and what this user must never see."""
    root = f"{place.organization}/"
    own = f"{root}data/customer-{place.user}/"
    shared = f"{root}data/shared/"
    yield Sample(own + "cities.geojson", _cities_geojson(), "application/geo+json")
    yield Sample(own + "catchments.geojson", _catchments_geojson(), "application/geo+json")
    yield Sample(own + "temperatures.csv", temperatures_csv(), "text/csv")
    yield from _earthquakes(own + "earthquakes/")
    yield Sample(own + "warehouse/", b"")
    yield from _odd_names(own + "odd names/", own)
    yield Sample(shared + "README.md", _SHARED_README, "text/markdown")
    yield Sample(shared + "reference/continents.csv", _continents_csv(), "text/csv")
    yield Sample(shared + "reference/cities.geojson", _cities_geojson(), "application/geo+json")
    shared_notebooks = f"{root}notebooks/shared/"
    yield Sample(shared_notebooks + "Team map.ipynb", shared_notebook(), "application/x-ipynb+json")
    yield from _spark_logs(root + "spark-logs/")
    # Buckets are shared by people and organizations; none of this may show in the demo.
    yield Sample(f"{root}data/customer-grace/private.txt", b"Only Grace sees this.\n", "text/plain")
    yield Sample(
        f"{root}data/customer-{place.user}n/private.txt", b"Nor is this yours.\n", "text/plain"
    )
    yield Sample("other-organization/data/shared/private.txt", b"Another company.\n", "text/plain")
    for number in range(PAGED):
        body = f'{{"tile": {number}, "zoom": 12}}\n'.encode()
        yield Sample(f"{own}tiles/tile-{number:04}.json", body, "application/json")


def _cities_geojson() -> bytes:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [city.longitude, city.latitude]},
            "properties": {"name": city.name, "country": city.country, "millions": city.millions},
        }
        for city in CITIES
    ]
    return _json({"type": "FeatureCollection", "name": "cities", "features": features})


def _catchments_geojson(corners: int = 48) -> bytes:
    """Circles around the largest cities, larger with their population: polygons to draw on a map."""
    features = []
    for city in sorted(CITIES, key=lambda city: -city.millions)[:12]:
        kilometres = 40 * math.sqrt(city.millions)
        degrees = kilometres / 111.2
        stretch = 1 / math.cos(math.radians(city.latitude))
        ring = []
        for corner in [*range(corners), 0]:
            angle = 2 * math.pi * corner / corners
            longitude = city.longitude + degrees * stretch * math.cos(angle)
            ring.append([round(longitude, 4), round(city.latitude + degrees * math.sin(angle), 4)])
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {"name": f"Around {city.name}", "kilometres": round(kilometres)},
            }
        )
    return _json({"type": "FeatureCollection", "name": "catchments", "features": features})


def temperatures_csv() -> bytes:
    """A made-up mean temperature (degrees Celsius) for every city and month: colder and more seasonal polewards."""
    chance = random.Random(2024)
    rows: list[tuple[object, ...]] = [
        ("city", "country", "latitude", "longitude", "month", "celsius")
    ]
    for city in CITIES:
        mean = 28 - 0.0062 * city.latitude**2
        swing = 0.19 * city.latitude  # signed: the southern summer is in January
        for month in range(1, 13):
            season = math.cos((month - 7) / 12 * 2 * math.pi)
            celsius = round(mean + swing * season + chance.gauss(0, 0.6), 1)
            rows.append((city.name, city.country, city.latitude, city.longitude, month, celsius))
    return _csv(rows)


def _continents_csv() -> bytes:
    return _csv(
        [
            ("continent", "million_square_kilometres"),
            ("Africa", 30.4),
            ("Antarctica", 14.2),
            ("Asia", 44.6),
            ("Europe", 10.2),
            ("North America", 24.7),
            ("Oceania", 8.5),
            ("South America", 17.8),
        ]
    )


def _earthquakes(
    folder: str, years: range = range(2021, 2025), rows: int = 1_500
) -> Iterator[Sample]:
    """A partitioned GeoParquet dataset, ``year=…/magnitude=…``, as Spark lays it out."""
    chance = random.Random(2024)
    for year in years:
        for magnitude in (4, 5, 6):
            body = _parquet(chance, year, magnitude, rows >> (magnitude - 4))
            name = f"{folder}year={year}/magnitude={magnitude}/part-00000.snappy.parquet"
            yield Sample(name, body, "application/vnd.apache.parquet")
    yield Sample(folder + "_SUCCESS", b"")


def _parquet(chance: random.Random, year: int, magnitude: int, rows: int) -> bytes:
    import pyarrow as pa  # type: ignore[import-untyped]  # has no types
    from pyarrow import parquet

    points = [_near_a_fault(chance) for _ in range(rows)]
    columns = {
        "day": pa.array([chance.randint(1, 365) for _ in points], pa.int16()),
        "strength": pa.array([round(magnitude + chance.random(), 1) for _ in points], pa.float32()),
        "depth_km": pa.array([round(chance.expovariate(1 / 30), 1) for _ in points], pa.float32()),
        # Well-known binary: little endian, type 1 (point), x, y.
        "geometry": pa.array([struct.pack("<BIdd", 1, 1, x, y) for x, y in points], pa.binary()),
    }
    longitudes, latitudes = zip(*points, strict=True)
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "geometry_types": ["Point"],
                "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
            }
        },
    }
    table = pa.table(columns).replace_schema_metadata({"geo": json.dumps(geo), "year": str(year)})
    out = io.BytesIO()
    parquet.write_table(table, out, compression="snappy")
    return out.getvalue()


def _near_a_fault(chance: random.Random) -> tuple[float, float]:
    fault = chance.choice(_FAULTS)
    leg = chance.randrange(len(fault) - 1)
    (x0, y0), (x1, y1) = fault[leg], fault[leg + 1]
    along = chance.random()
    x = x0 + (x1 - x0) * along + chance.gauss(0, 0.7)
    y = y0 + (y1 - y0) * along + chance.gauss(0, 0.7)
    return round(x, 4), round(y, 4)


def _odd_names(folder: str, own: str) -> Iterator[Sample]:
    """Names that real buckets hold and that many tools trip over."""
    names = (
        "with spaces and + plus.txt",
        "100% & more, #1?.txt",
        'it\'s "quoted".txt',
        "Zürich, 東京, наука, 🗺.txt",
        ".hidden",
        "no extension",
        "[brackets] {braces} ~tilde.txt",
        f"a very long name {'that goes on ' * 14}to the end.txt",
        "file and folder of one name",
        "file and folder of one name/inside.txt",
    )
    for name in names:
        yield Sample(folder + name, f"The content of {name}\n".encode(), "text/plain")
    yield Sample(
        own + "/written with two slashes.txt",
        b"Somebody wrote USER_S3_PATH + '/name'.\n",
        "text/plain",
    )


def _spark_logs(folder: str) -> Iterator[Sample]:
    for number in (1, 2):
        application = f"application_17170{number}0000000_000{number}"
        start = 1_717_000_000_000 + number * 10_000_000
        events = [
            {"Event": "SparkListenerLogStart", "Spark Version": "3.5.1"},
            {
                "Event": "SparkListenerApplicationStart",
                "App Name": f"cities-{number}",
                "App ID": application,
                "Timestamp": start,
                "User": "ada",
            },
            *(
                {
                    "Event": "SparkListenerJobStart",
                    "Job ID": job,
                    "Submission Time": start + 4_000 * job,
                }
                for job in range(20)
            ),
            {"Event": "SparkListenerApplicationEnd", "Timestamp": start + 90_000},
        ]
        body = "".join(json.dumps(event) + "\n" for event in events).encode()
        yield Sample(folder + application, body, "text/plain")
    yield Sample(f"{folder}application_1717030000000_0003.inprogress", b"", "text/plain")


def _csv(rows: list[tuple[object, ...]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


_IDEAS = b"""# Ideas

- Which city has the largest difference between summer and winter?
- Draw the earthquakes of 2024 on a map, coloured by depth.
"""

_SHARED_README = b"""# Shared with everyone in your organization

- `reference/cities.geojson`: 41 cities of the world, with their position and population.
- `reference/continents.csv`: their areas.

The temperatures and earthquakes of this demo are made up.
"""
