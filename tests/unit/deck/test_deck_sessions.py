"""Sessions as rows and in words: both eras, what a filter may ask, what a client may claim."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from mcpdeck.model import sessions
from mcpdeck.model.filters import RowFilter
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort, arrange, fit, natural_widths
from mcpdeck.model.words import ASCII
from tests.support import scenes
from tests.support.fake_gateway import NOW

SECOND = timedelta(seconds=1)
TEAM = State(sessions=scenes.team().sessions)


def kept(wanted: str) -> list[str]:
    keep = RowFilter(wanted, sessions.FIELD_NAMES)
    rows = [
        scenes.session(0, "weather", "weather-0", id="a", era="modern", principal="ada", principal_name="Ada L"),
        scenes.session(1, "weather-eu", "weather-eu-1", id="b", in_flight=2, errors=3, client_name="vscode"),
        scenes.session(2, "time", "time-0", id="c", in_flight=0, last_used_at=NOW - 90 * SECOND, calls=5),
    ]
    spec = sessions.table()
    return [
        row.id for row in arrange(spec, [row for row in rows if keep.keeps(spec.fields(row, NOW))], Sort("adapter"))
    ]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ("", ["c", "a", "b"]),
        ("era:modern", ["a"]),
        ("!era:modern", ["c", "b"]),
        ("status:busy", ["b"]),
        ("state:idle", ["c"]),
        ("adapter:weather", ["a", "b"]),
        ("user:ada", ["a"]),
        ("user:l$", []),
        ("client:vscode errors:>2", ["b"]),
        ("idle:>1m", ["c"]),
        ("inflight:>=2", ["b"]),
        ("instance:eu-1", ["b"]),
        ("calls:5", ["c"]),
    ],
)
def test_filter_asks_every_field(wanted: str, ids: list[str]) -> None:
    assert kept(wanted) == ids


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"in_flight": 1, "last_used_at": NOW - 900 * SECOND}, "Busy"),
        ({"in_flight": 0, "last_used_at": NOW - 5 * SECOND}, "Live"),
        ({"in_flight": 0, "last_used_at": NOW - 61 * SECOND}, "Idle"),
        ({"state": "lost"}, "Lost"),
        ({"state": "draining"}, "Draining"),
        ({"state": "hibernating"}, "Hibernating"),
    ],
)
def test_state_is_told_in_a_word(fields: dict[str, object], word: str) -> None:
    assert sessions.sign_of(scenes.session(0, "time", "time-0", **fields), NOW).word == word


def test_call_under_way_is_not_idle() -> None:
    busy = scenes.session(0, "time", "time-0", in_flight=1, last_used_at=NOW - 900 * SECOND)
    idle = next(column for column in sessions.table().columns if column.id == "idle")
    assert idle.cell(busy, NOW).text == ""


def test_narrow_table_keeps_who_where_and_how_it_stands() -> None:
    spec, rows = sessions.table(), list(TEAM.sessions.values())
    shown = fit(spec, natural_widths(spec, rows, NOW), 76)
    titles = [spec.columns[fitted.place].title for fitted in shown]
    assert {"CLIENT", "USER", "ADAPTER", "STATE", "IDLE", "ERR", "AGE"} <= set(titles)
    assert "ID" not in titles
    assert sum(fitted.width for fitted in shown) + 2 * (len(shown) - 1) <= 76


def test_what_a_client_calls_itself_stays_in_its_row() -> None:
    session = scenes.session(0, "time", "time-0", client_name="two\nlines", client_version="1\t2")
    assert sessions.client(session) == "two lines 1 2"


def test_adapters_name_is_not_told_twice_in_a_row() -> None:
    column = next(each for each in sessions.table().columns if each.id == "instance")
    named = [scenes.session(0, "weather", name) for name in ("weather-2", "eu-1")]
    assert [column.cell(each, NOW).text for each in named] == ["2", "eu-1"]


def test_only_one_adapters_sessions_are_its_own() -> None:
    assert {it.adapter for it in sessions.rows(TEAM, "weather")} == {"weather"}
    assert len(sessions.rows(TEAM, "weather")) == 12
    assert len(sessions.rows(TEAM)) == 80


@pytest.mark.parametrize("number", range(12))
def test_description_names_everything_known(number: int) -> None:
    session = scenes.session(number, "weather", "weather-0")
    text = "\n".join("".join(cell.text for cell in line) for line in sessions.describe(session, NOW, ASCII))
    for known in (session.id, session.client_version, session.principal, session.instance, session.protocol_version):
        assert known in text
    assert f"{session.bytes_out:,} to it" in text.replace(" bytes from", "")
    assert text.isascii()


def test_pace_says_a_minute_where_a_second_says_little() -> None:
    assert [sessions.pace(rate) for rate in (0.0, 0.05, 0.85, 2.34, 412.6)] == [
        *("", "3.0/m", "51/m", "2.3/s", "413/s")
    ]


def test_what_a_session_suffers_from_is_in_its_columns_and_its_description() -> None:
    slow = replace(
        scenes.session(2, "weather", "weather-0"),
        rate=1.5,
        p95=4.25,
        oldest_call_at=NOW - timedelta(seconds=31),
        last_error="tools/call 504\nno answer",
        last_error_at=NOW - timedelta(minutes=5),
    )
    cells = {column.id: column.cell(slow, NOW).text for column in sessions.table().columns}
    assert (cells["rate"], cells["p95"], cells["oldest"]) == ("1.5/s", "4.2s", "31s")
    assert cells["lasterror"] == "tools/call 504 no answer"
    told = "\n".join("".join(cell.text for cell in line) for line in sessions.describe(slow, NOW))
    assert "1.5/s now, 95 of 100 within 4.2s" in told
    assert "(31s ago)" in told
    assert "(5m ago): tools/call 504 no answer" in told
