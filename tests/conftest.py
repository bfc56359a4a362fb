"""Fixtures that several rooms' tests share."""

import hypothesis
import pytest

from tests.support.borrowed import Borrowed, borrowed

hypothesis.settings.register_profile("house", deadline=None)  # a slow machine is not a bug
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session", name="borrowed")
def _borrowed() -> Borrowed:
    return borrowed()
