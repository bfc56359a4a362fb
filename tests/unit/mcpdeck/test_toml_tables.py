"""A table of a TOML text is set or removed; everything else stays as its owner wrote it."""

import pytest

from mcpdeck.connect.toml import NotToml, read, with_table, without_table

CODEX = """\
model = "o4" # the good one
notes = [
  "[mcp_servers.time]",
]

[mcp_servers.docs]
command = "npx"

[mcp_servers.docs.env]
TOKEN = "x"

[profiles.fast]
model = "mini"
"""


def test_new_table_stands_at_the_end() -> None:
    changed = with_table(CODEX, ("mcp_servers", "time"), {"url": "http://x/mcp"})
    assert changed == CODEX + '\n[mcp_servers.time]\nurl = "http://x/mcp"\n'
    assert with_table("", ("a", "b.c"), {"n": 1, "l": ["é"]}) == '[a."b.c"]\nn = 1\nl = ["é"]\n'


def test_table_is_replaced_where_it_stands_with_what_is_in_it() -> None:
    changed = with_table(CODEX, ("mcp_servers", "docs"), {"url": "http://y/mcp"})
    assert read(changed) == {
        "model": "o4",
        "notes": ["[mcp_servers.time]"],
        "mcp_servers": {"docs": {"url": "http://y/mcp"}},
        "profiles": {"fast": {"model": "mini"}},
    }
    assert changed.index("docs") < changed.index("profiles")
    assert "# the good one" in changed


def test_removed_table_takes_its_own_tables_along() -> None:
    removed = without_table(CODEX, ("mcp_servers", "docs"))
    assert "docs" not in removed
    assert "[profiles.fast]" in removed
    assert without_table(CODEX, ("mcp_servers", "absent")) == CODEX
    assert without_table("[a.b]\nx = 1\n", ("a", "b")) == ""


@pytest.mark.parametrize(
    "text", ['mcp_servers = { docs = { command = "npx" } }', '[mcp_servers]\ndocs.command = "npx"']
)
def test_table_in_another_form_is_left_to_its_owner(text: str) -> None:
    with pytest.raises(NotToml, match="by hand"):
        with_table(text, ("mcp_servers", "docs"), {"url": "u"})


def test_what_is_no_toml_is_told() -> None:
    with pytest.raises(NotToml):
        with_table("model = ", ("a",), {})


COMMENTED = """\
[a]
x = 1

# about time
[m.time] # the clock
url = "u"

# about docs
[m.docs]
url = "d"

# the end
"""


def test_comments_before_the_next_table_and_at_the_end_stay() -> None:
    changed = with_table(COMMENTED, ("m", "time"), {"url": "v"})
    assert changed == COMMENTED.replace('[m.time] # the clock\nurl = "u"', '[m.time]\nurl = "v"')
    for name in ("time", "docs"):
        left = without_table(COMMENTED, ("m", name))
        assert [line for line in left.splitlines() if line.startswith("#")] == [
            "# about time", "# about docs", "# the end",
        ]  # fmt: skip
