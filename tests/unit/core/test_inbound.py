"""What a request on an MCP path is."""

import pytest

from gateway.core.inbound import Legacy, Modern, Rejection, classify, is_initialize, is_token_in, request_id

INITIALIZE = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}'


@pytest.mark.parametrize("version", ["2026-07-28", "2099-01-01"])
def test_a_post_of_a_modern_version_is_modern_whatever_session_it_names(version: str) -> None:
    assert classify("POST", version=version, session=None) == Modern(version)
    assert classify("POST", version=version, session=b"abc") == Modern(version)


@pytest.mark.parametrize("version", [None, "2025-11-25", "2025-06-18", "2025-03-26"])
def test_a_post_of_a_handshake_version_is_its_sessions(version: str | None) -> None:
    assert classify("POST", version=version, session=b"abc", body=b"{}") == Legacy(b"abc")


def test_initialize_starts_afresh_whatever_session_it_names() -> None:
    assert classify("POST", version=None, session=None, body=INITIALIZE) == Legacy(None, is_initialize=True)
    assert classify("POST", version=None, session=b"stale", body=INITIALIZE) == Legacy(None, is_initialize=True)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("version", [None, "2025-11-25", "2026-07-28"])
def test_streams_and_deletions_are_legacy(method: str, version: str | None) -> None:
    assert classify(method, version=version, session=b"abc") == Legacy(b"abc")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", ""])
def test_other_methods_are_refused(method: str) -> None:
    found = classify(method, version=None, session=None)
    assert isinstance(found, Rejection)
    assert found.error.status == 405


@pytest.mark.parametrize("session", [b"", b"a b", b"\xff", b"a\r"])
def test_a_session_id_of_more_than_visible_ascii_is_refused(session: bytes) -> None:
    found = classify("GET", version=None, session=session)
    assert isinstance(found, Rejection)
    assert found.error.status == 400


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (INITIALIZE, True),
        (b'{"method":"initialize"}', True),
        (b'{"method":"tools/call","params":{"name":"initialize"}}', False),
        (b'{"method":"notifications/initialized"}', False),
        (b'{"method":"initialize"', False),
        (b'["initialize"]', False),
        (b'{"method":"initialize","params":' + b"[" * 200_000, False),
        (b"", False),
    ],
)
def test_initialize_is_known_by_its_method_alone(body: bytes, expected: bool) -> None:
    assert is_initialize(body) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"id":7,"method":"ping"}', b"7"),
        (b'{"id":"a\\"b","method":"ping"}', b'"a\\"b"'),
        (b'{"id":null,"method":"ping"}', None),
        (b'{"method":"notifications/initialized"}', None),
        (b'{"id":7,"result":{}}', None),
        (b"not json", None),
        (b"[]", None),
        (b"", None),
        (None, None),
    ],
)
def test_the_id_for_an_answer_is_the_requests_own_bytes(body: bytes | None, expected: bytes | None) -> None:
    assert request_id(body) == expected


@pytest.mark.parametrize("query", [b"access_token=x", b"a=b&ACCESS_TOKEN=x"])
def test_a_token_in_the_query_is_found(query: bytes) -> None:
    assert is_token_in(query)


@pytest.mark.parametrize("query", [b"", b"session_id=x", b"token=x"])
def test_another_query_holds_none(query: bytes) -> None:
    assert not is_token_in(query)
