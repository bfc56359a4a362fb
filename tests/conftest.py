"""Fixtures that several rooms' tests share."""

import os
import signal

import hypothesis
import pytest

from tests.support.borrowed import Borrowed, borrowed

hypothesis.settings.register_profile("house", deadline=None)  # a slow machine is not a bug
hypothesis.settings.load_profile("house")

# Started in the background, a shell's child ignores Ctrl-C, and so would every program that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: two to a core, since most of what a test takes is waiting for processes and frames."""
    return 2 * (os.process_cpu_count() or 1)


@pytest.fixture(scope="session", name="borrowed")
def _borrowed() -> Borrowed:
    return borrowed()
