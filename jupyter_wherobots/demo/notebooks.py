"""The notebooks of the demo, in the notebook file format (nbformat 4.5)."""

from __future__ import annotations

import json
from textwrap import dedent


def home_notebooks() -> dict[str, bytes]:
    """Notebooks of the home directory: name below home -> file."""
    return {
        "Welcome.ipynb": _notebook(
            _markdown("""
                # Welcome

                This notebook was restored from S3 when the server started, and everything you do here is saved there
                again, without asking: the status bar at the bottom says when.

                Open **Managed Storage** in the left sidebar to see your folders.
                """),
            _markdown("""
                ## Where is my storage?

                Three variables are set in every kernel and terminal.
                """),
            _code("%env USER_S3_PATH"),
            _code("""
                import os

                for name in ("USER_S3_PATH", "USER_S3_SHARED_PATH", "USER_WAREHOUSE_PATH"):
                    print(f"{name:20} {os.environ[name]}")
                """),
            _markdown("""
                ## Read a file from it

                The paths end with a slash, so a name can simply be added.
                """),
            _code("""
                import csv
                import io

                import boto3

                s3 = boto3.client("s3")


                def place(uri):
                    bucket, _, key = uri.removeprefix("s3://").partition("/")
                    return {"Bucket": bucket, "Key": key}


                uri = os.environ["USER_S3_PATH"] + "temperatures.csv"
                text = s3.get_object(**place(uri))["Body"].read().decode()
                rows = list(csv.DictReader(io.StringIO(text)))
                print(len(rows), "rows in", uri)
                rows[0]
                """),
            _code("""
                months = {}
                for row in rows:
                    months.setdefault(row["city"], []).append(float(row["celsius"]))

                swings = sorted(((max(m) - min(m), city) for city, m in months.items()), reverse=True)
                for swing, city in swings[:5]:
                    print(f"{city:12} {swing:5.1f} °C between the warmest and the coldest month")
                """),
            _markdown("## Write a result to it"),
            _code("""
                lines = ["city,swing_celsius", *(f"{city},{swing:.1f}" for swing, city in swings)]
                result = os.environ["USER_S3_PATH"] + "results/swings.csv"
                s3.put_object(**place(result), Body="\\n".join(lines).encode(), ContentType="text/csv")
                print("Written:", result)
                """),
            _markdown("""
                ## And now

                - In **Managed Storage**, open `data`, your folder, then `results`: there is the file. Copy its path with the
                  button on the right of the row.
                - Save this notebook, and find it a moment later in `notebooks`, your folder.
                - Scroll through `tiles` (2,500 objects) and look at `odd names`.
                """),
        ),
        "analysis/Swings.ipynb": _notebook(
            _markdown(
                '# Summer and winter\n\nContinue here with `USER_S3_PATH + "results/swings.csv"`.'
            ),
            _code('import os\n\nos.environ["USER_S3_PATH"]'),
        ),
    }


def shared_notebook() -> bytes:
    """The notebook of ``/notebooks/shared``."""
    return _notebook(
        _markdown(
            "# Team map\n\nA notebook that somebody shared. Copy it to your home directory to change it."
        ),
        _code('import os\n\nos.environ["USER_S3_SHARED_PATH"] + "reference/cities.geojson"'),
    )


def _markdown(text: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": _lines(text)}


def _code(text: str) -> dict[str, object]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": _lines(text),
    }


def _lines(text: str) -> list[str]:
    return dedent(text).strip().splitlines(keepends=True)


def _notebook(*cells: dict[str, object]) -> bytes:
    numbered = [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells, 1)]
    content = {
        "cells": numbered,
        "metadata": {
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
