"""Each test of the server runs on both loops, as those of the data plane do."""

from tests.unit.dataplane.conftest import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
