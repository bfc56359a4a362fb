"""Fixtures that several rooms' tests share."""

import signal

import hypothesis
import pytest

from tests.support.borrowed import Borrowed, borrowed

hypothesis.settings.register_profile("house", deadline=None)  # a slow machine is not a bug
hypothesis.settings.load_profile("house")

# Started in the background, a shell's child ignores Ctrl-C, and so would every program that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", name="borrowed")
def _borrowed() -> Borrowed:
    return borrowed()
