"""What a session's calls to one adapter have in common, so that the data plane concludes from their heads once."""

import pytest

from gateway.core.access import Principal
from gateway.toolrouter.inner import Inner
from gateway.toolrouter.links import Greeting, Link
from gateway.wire.http1 import Headers
from gateway.wire.names import AdapterName, PrincipalId

TRACE = (b"traceparent", b"00-1")


class Door:
    """backstage.Backstage, of which nothing comes."""

    def admit(self, inner: Inner, principal: Principal) -> None:
        """Admitted."""


@pytest.fixture(name="link")
def _link() -> Link:
    greeting = Greeting("2025-11-25", b"{}", b'{"name":"test","version":"1"}')
    link = Link(Door(), AdapterName("weather"), Principal(PrincipalId("ada")), greeting)
    link.session, link.authorization = b"sealed", b"Bearer a"
    return link


@pytest.mark.parametrize("traced", [[], [TRACE], [TRACE, (b"x-request-id", b"7")]])
def test_calls_whose_heads_differ_in_their_trace_alone_share_a_shape(link: Link, traced: Headers) -> None:
    first = link.request(b"1", traced)
    second = link.request(b"2", [(name, value + b"-again") for name, value in traced])
    assert first.shape is second.shape is not None
    assert [value for name, value in second.headers if (name, value) not in first.headers] == [
        value + b"-again" for _, value in traced
    ]


def test_calls_whose_heads_differ_otherwise_share_none(link: Link) -> None:
    shapes = [link.request(b"", [TRACE]).shape, link.request(b"", []).shape]
    link.authorization = b"Bearer b"
    shapes.append(link.request(b"", []).shape)
    link.session = b"another"
    shapes.append(link.request(b"", []).shape)
    shapes.append(link.request(b"", [TRACE, TRACE]).shape)
    assert len(set(map(id, shapes))) == len(shapes)
