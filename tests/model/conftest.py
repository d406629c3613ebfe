"""The homes and engines of the ordinary tests that the model led to."""

from tests.sync.conftest import place

__all__ = ["place"]
