"""The variables: unset or empty ones are set, the operator's stay."""

from __future__ import annotations

import logging

import pytest

from jupyter_wherobots.environment import allow_through_gateway, apply

LOG = logging.getLogger("test")


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, "ours"), ({"USER_S3_PATH": ""}, "ours"), ({"USER_S3_PATH": "operator"}, "operator")],
)
def test_only_what_is_unset_or_empty_is_set(before: dict[str, str], after: str) -> None:
    environ = dict(before)
    apply({"USER_S3_PATH": "ours"}, environ, LOG)
    assert environ == {"USER_S3_PATH": after}


def test_a_value_that_stays_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    apply({"USER_S3_PATH": "ours"}, {"USER_S3_PATH": "operator"}, LOG)
    assert "USER_S3_PATH" in caplog.text
    assert "operator" in caplog.text


@pytest.mark.parametrize(
    ("allowed", "after"),
    [("", "A,B"), ("X", "X,A,B"), ("B, X", "B,X,A"), ("A,B", "A,B")],
)
def test_the_gateway_list_keeps_what_it_had_and_names_ours_once(allowed: str, after: str) -> None:
    assert allow_through_gateway(("A", "B"), allowed) == after
