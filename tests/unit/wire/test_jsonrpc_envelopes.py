"""JSON-RPC envelopes: what a message is, without decoding what it carries."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.wire import jsonrpc

IDS = some.one_of(some.text(), some.integers(-(2**53), 2**53))
JSON = some.recursive(
    some.one_of(some.none(), some.booleans(), some.integers(-(2**53), 2**53), some.text()),
    lambda inner: some.one_of(some.lists(inner, max_size=3), some.dictionaries(some.text(), inner, max_size=3)),
    max_leaves=8,
)


def test_a_message_with_method_and_id_is_a_request() -> None:
    message = jsonrpc.decode(b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}')
    assert (message.is_request, message.is_notification, message.is_response) == (True, False, False)
    assert message.method == "tools/call"
    assert bytes(message.params) == b'{"name":"x"}'


@pytest.mark.parametrize("body", [b'{"jsonrpc":"2.0","method":"x"}', b'{"jsonrpc":"2.0","id":null,"method":"x"}'])
def test_a_message_with_method_and_no_id_is_a_notification(body: bytes) -> None:
    message = jsonrpc.decode(body)
    assert (message.is_request, message.is_notification, message.is_response) == (False, True, False)


@pytest.mark.parametrize("body", [b'{"id":1,"result":{}}', b'{"id":null,"error":{"code":-32700,"message":"no"}}'])
def test_a_message_without_method_is_a_response(body: bytes) -> None:
    message = jsonrpc.decode(body)
    assert (message.is_request, message.is_notification, message.is_response) == (False, False, True)


def test_what_a_message_carries_stays_the_bytes_that_came() -> None:
    params = b'{ "a" : 1.50, "b":"\\u00e9", "a":2 }'
    assert bytes(jsonrpc.decode(b'{"method":"x","params":' + params + b"}").params) == params


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b'{"method":"x"', b'{"method":"x"} {}'])
def test_bad_json_is_a_decode_error(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        jsonrpc.decode(body)


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"7", b'{"method":7}', b'{"jsonrpc":2.0}'])
def test_another_shape_is_a_validation_error(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        jsonrpc.decode(body)


def test_json_that_nests_without_end_is_a_decode_error_and_no_crash() -> None:
    with pytest.raises(msgspec.DecodeError, match="nests too deep"):
        jsonrpc.decode(b'{"method":"initialize","params":' + b"[" * 200_000)


@given(IDS)
def test_an_id_comes_back_as_the_value_it_was(request_id: str | int) -> None:
    message = jsonrpc.decode(jsonrpc.request(request_id, "ping"))
    assert jsonrpc.decode_id(message.id) == request_id


def test_an_absent_id_is_none() -> None:
    assert jsonrpc.decode_id(jsonrpc.decode(b'{"method":"x"}').id) is None
    assert jsonrpc.decode_id(b"null") is None


@given(IDS, JSON)
def test_what_is_encoded_is_json_rpc(request_id: str | int, value: object) -> None:
    raw_id = json.dumps(request_id).encode()
    assert json.loads(jsonrpc.request(request_id, "m", {"v": value})) == {
        "jsonrpc": "2.0", "id": request_id, "method": "m", "params": {"v": value}
    }  # fmt: skip
    assert json.loads(jsonrpc.notification("m", {"v": value})) == {
        "jsonrpc": "2.0",
        "method": "m",
        "params": {"v": value},
    }
    assert json.loads(jsonrpc.response(raw_id, value)) == {"jsonrpc": "2.0", "id": request_id, "result": value}


def test_params_that_are_none_are_left_out() -> None:
    assert json.loads(jsonrpc.request(1, "ping")) == {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert json.loads(jsonrpc.notification("n")) == {"jsonrpc": "2.0", "method": "n"}


@pytest.mark.parametrize("raw_id", [None, b"", msgspec.Raw()])
def test_an_error_without_a_known_id_has_no_id_member(raw_id: bytes | msgspec.Raw | None) -> None:
    assert json.loads(jsonrpc.error(raw_id, -32700, "no")) == {
        "jsonrpc": "2.0",
        "error": {"code": -32700, "message": "no"},
    }


def test_an_error_carries_the_id_as_it_was_spelled_and_data_where_given() -> None:
    assert jsonrpc.error(b'"\\u0061"', 404, "no", {"source": "mcpdeck"}) == (
        b'{"jsonrpc":"2.0","id":"\\u0061","error":{"code":404,"message":"no","data":{"source":"mcpdeck"}}}'
    )


@pytest.mark.parametrize("body", [b'{"id":1,"method":"\xff"}', b'{"jsonrpc":"\xc3","method":"initialize"}'])
def test_text_that_is_not_utf_8_is_bad_json_like_any_other(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError, match="UTF-8"):
        jsonrpc.decode(body)
    with pytest.raises(msgspec.DecodeError, match="UTF-8"):
        jsonrpc.decode_id(b'"\xff"')
