"""Fixtures that several rooms' tests share."""

import pytest

from tests.support.borrowed import Borrowed, borrowed


@pytest.fixture(scope="session", name="borrowed")
def _borrowed() -> Borrowed:
    return borrowed()
