"""What may be sent again."""

import pytest

from gateway.core.repeating import Page, is_repeatable, page_of_tools
from gateway.wire import jsonrpc


@pytest.mark.parametrize(
    ("method", "body", "verdict"),
    [
        ("GET", b"", True),
        ("POST", jsonrpc.request(1, "tools/list", {}), True),
        ("POST", jsonrpc.request(1, "resources/read", {"uri": "a:b"}), True),
        ("POST", b'{"jsonrpc":"2.0","method":"notifications/cancelled"}', True),
        ("POST", b'{"jsonrpc":"2.0","id":1,"result":{}}', True),
        ("POST", jsonrpc.request(1, "tools/call", {"name": "pay"}), "pay"),
        ("POST", b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}', ""),
        ("POST", jsonrpc.request(1, "experimental/do", {}), False),
        ("POST", b"[]", False),
        ("POST", b"\xff", False),
    ],
)
def test_what_reads_may_be_sent_again_and_tools_decide_for_themselves(
    method: str, body: bytes, verdict: bool | str
) -> None:
    assert is_repeatable(method, body) == verdict


def test_tools_are_repeatable_where_their_annotations_say_so() -> None:
    tools = b"""[{"name":"a"},{"name":"b","annotations":{"readOnlyHint":true}},{"name":"c","annotations":{}},
    {"name":"d","annotations":{"idempotentHint":true,"destructiveHint":true}}]"""
    answer = b'{"jsonrpc":"2.0","id":1,"result":{"tools":%b,"nextCursor":"n"}}' % tools
    assert page_of_tools(answer) == Page({"a": False, "b": True, "c": False, "d": True}, "n")


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"result":{"tools":[{}]}}', b"\xff"])
def test_what_is_no_list_of_tools_says_nothing(answer: bytes) -> None:
    assert page_of_tools(answer) is None
