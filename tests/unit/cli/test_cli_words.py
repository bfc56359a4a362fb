"""Words that are not right: each is told with what was wanted, what was found, and what was meant."""

from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.fake_gateway import FakeGateway


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("adapters", "which command? list, get, status, create, apply, edit, scale, restart, delete"),
        ("adapters scale weather many", "argument REPLICAS: 'many' is no whole number"),
        ("adapters list --watc", "not understood: --watc; did you mean --watch?"),
        ("adapters list --zzz", "not understood: --zzz"),
        ("serve --port 65536", "argument --port: '65536' is no port: 0 to 65535"),
        ("serve --most 0", "argument --most: '0': at least 1 is wanted"),
        ("up --port -1", "argument --port: '-1' is no port: 0 to 65535"),
        ("dev-issuer --port 99999", "argument --port: '99999' is no port: 0 to 65535"),
        ("traffic tail -n 0", "argument -n/--count: '0': at least 1 is wanted"),
        ("tui --view adapers", "argument --view: 'adapers' is no view; did you mean adapters?"),
    ],
)
async def test_word_that_is_not_right_is_told_with_what_is_wanted(mcpdeck: Command, line: str, told: str) -> None:
    ended = await mcpdeck(*line.split())
    assert (ended.code, ended.err.splitlines()[0]) == (2, f"mcpdeck: {told}")


@pytest.mark.parametrize(
    ("line", "near"),
    [
        ("adapters get wether", "weather"),
        ("adapters scale wether 2", "weather"),
        ("adapters status wether", "weather"),
        ("connect cursor wether", "weather"),
        ("contexts use locl", ""),
        ("connect curser weather", "cursor"),
    ],
)
async def test_name_that_is_nearly_one_is_told_with_that_one(mcpdeck: Command, line: str, near: str) -> None:
    ended = await mcpdeck(*line.split())
    assert ended.code in (2, 6)
    assert ("did you mean " in ended.err) == bool(near)
    assert near in ended.err


async def test_context_that_is_nearly_one_is_told_with_that_one(mcpdeck: Command) -> None:
    await mcpdeck("contexts", "add", "prod", "https://mcp.example.com")
    ended = await mcpdeck("--context", "prd", "adapters", "list")
    assert (ended.code, "did you mean prod?" in ended.err) == (2, True)


async def test_name_that_is_near_nothing_keeps_the_advice_it_had(mcpdeck: Command) -> None:
    assert "mcpdeck adapters list" in (await mcpdeck("adapters", "status", "zzz")).err


async def test_sessions_of_an_adapter_that_is_not_there_are_no_empty_list(mcpdeck: Command) -> None:
    ended = await mcpdeck("sessions", "list", "--adapter", "wether")
    assert (ended.code, "did you mean weather?" in ended.err) == (6, True)


async def test_words_that_are_not_right_are_data_where_data_was_asked_for(mcpdeck: Command) -> None:
    for words in (["adapters", "get", "-o", "json"], ["adapters", "gt", "-ojson"], ["adapters", "--output=jsonl", "x"]):
        ended = await mcpdeck(*words)
        assert (ended.code, ended.err[:26]) == (2, '{"error":{"code":"usage","'), words


@pytest.mark.parametrize("words", ["policy apply", "tools register", "adapters apply"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"hello\n", "is a map that begins with `name:`, and this is a text"),
        (b"- a\n", "is a map that begins with `name:`, and this is a list"),
        (b"name: 3\n", "name: a text is wanted, and this is a whole number"),
        (b"name: x\ndescriptoin: y\n", "descriptoin is not a known field; did you mean description?"),
        (b"a: b: c\n", ":1: mapping values are not allowed here"),
        (b"\xff\xfe", "is no text: it is not UTF-8 at byte 0"),
        (b"", "holds "),
    ],
)
async def test_file_that_holds_something_else_is_told_with_what_it_holds(
    mcpdeck: Command, gateway: FakeGateway, tmp_path: Path, words: str, text: bytes, told: str
) -> None:
    file = tmp_path / "some.yaml"
    file.write_bytes(text)
    ended = await mcpdeck(*words.split(), "-f", str(file))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"mcpdeck: {file}")
    assert told in ended.err
    assert all(request.method == "GET" for request in gateway.requests)


async def test_document_of_several_is_told_by_its_number(mcpdeck: Command, tmp_path: Path) -> None:
    file = tmp_path / "several.yaml"
    file.write_text("name: a\n---\nnonsense\n")
    assert f"{file}, document 2: a policy is a map" in (await mcpdeck("policy", "apply", "-f", str(file))).err


async def test_api_that_does_not_answer_is_told_without_numbers_of_errors(mcpdeck: Command) -> None:
    ended = await mcpdeck("tools", "import", "openapi", "http://127.0.0.1:1/openapi.json")
    told = "mcpdeck: http://127.0.0.1:1/openapi.json can not be read: Connection refused\n"
    assert (ended.code, ended.err) == (4, told)


async def test_arguments_that_are_no_object_are_told_with_what_they_are(mcpdeck: Command, tmp_path: Path) -> None:
    file = tmp_path / "arguments.json"
    file.write_text("[1]")
    for given, where in (("[1]", "--args-json"), (f"@{file}", f"@{file}")):
        ended = await mcpdeck("call", "weather", "get_forecast", "--args-json", given)
        assert (ended.code, ended.err) == (2, f"mcpdeck: {where}: a map is wanted, and this is a list\n")


async def test_path_that_is_no_place_of_tools_is_a_slip_of_words(mcpdeck: Command) -> None:
    ended = await mcpdeck("call", "/foo", "search")
    told = "mcpdeck: '/foo' is no place: wanted an adapter's name, /mcp or /mcp/TOOLSET\n"
    assert (ended.code, ended.err) == (2, told)


async def test_folder_that_may_not_be_written_is_told_by_name(mcpdeck: Command, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file where the folder should be")
    ended = await mcpdeck("contexts", "add", "x", "http://127.0.0.1:1")
    assert (ended.code, "defect" in ended.err) == (2, False)
    assert str(tmp_path / "config") in ended.err
