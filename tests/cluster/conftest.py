"""A real cluster for these tests, or the reason why there is none."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.cluster.api import Api
from tests.support import testcluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(2400))  # the first start on a machine builds Kubernetes


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    if reason := testcluster.why_not():
        pytest.skip(reason)
    found = testcluster.bring_up()
    testcluster.install_definitions()
    return found


@pytest.fixture
def shared(kubeconfig: Path) -> Iterator[Path]:
    with testcluster.shared():
        yield kubeconfig


@pytest.fixture
async def api(shared: Path) -> AsyncIterator[Api]:
    async with testcluster.namespace(shared) as opened:
        yield opened
