"""Messages that read otherwise to somebody else: what is taken for them, and what is not."""

import msgspec
import pytest

from gateway.wire import plain

CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"page":"home"}}}'


@pytest.mark.parametrize(
    "body",
    [
        CALL,
        CALL.replace(b":", b" : ").replace(b",", b",\n  "),
        b'{"params":{"arguments":{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}],"X":1,"x":1e300}}}',
        rb'{"method":"tools\/call","params":{"na\u006de":"read","arguments":{"n":1.50,"big":123456789012345678901234567890}}}',
        b'{"id":2,"result":{"Method":"tools/call"}}',
        '{"params":{"arguments":{"\u017f":1,"s":2}}}'.encode(),
        b'[{"id":1},{"id":2}]',
        b"7",
    ],
)
def test_a_message_whose_keys_come_once_is_read_as_it_is(body: bytes) -> None:
    assert plain.decode(body) == msgspec.json.decode(body)
    assert plain.is_plain(body)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"method":"tools/call","method":"ping"}', "'method'"),
        (b'{"method":"tools/call","params":{"name":"a","name":"b"}}', "'name'"),
        (rb'{"method":"tools/call","params":{"name":"a","na\u006de":"b"}}', "'name'"),
        (b'{"params":{"arguments":{"deep":[{"x":1, "x":1}]}}}', "'x'"),
        (b'{"params":{"arguments":{"":1,"":2}}}', "''"),
        ('{"params":{"arguments":{"\u00e9":1,"\\u00e9":2}}}'.encode(), "'\u00e9'"),
        (b'{"Method":"tools/call"}', "'Method'"),
        (b'{"method":"tools/call","params":{"name":"a","NAME":"b"}}', "'NAME'"),
        ('{"method":"ping","param\u017f":{"name":"a"}}'.encode(), "'param\u017f'"),
        (b'[{"id":1,"id":2}]', "'id'"),
    ],
)
def test_a_message_that_others_read_otherwise_is_told_with_its_key(body: bytes, key: str) -> None:
    with pytest.raises(plain.Ambiguous) as told:
        plain.decode(body)
    assert key in str(told.value)
    assert not plain.is_plain(body)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"a":"\xff"}', b"[" * 100_000, b'{"a":1}{"a":2}', b'{"id":1e400}'],
    ids=lambda each: repr(each[:9]),
)
def test_what_is_no_json_is_no_message_at_all(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        plain.decode(body)
    assert not plain.is_plain(body)
