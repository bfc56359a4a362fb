"""Counters and sessions as rates: nothing is guessed, and a gateway that starts anew is no burst."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from gateway.wire.resources import LiveSession
from mcpdeck.model.pulse import Metrics, Pulse, parse_metrics, per_second, taken
from mcpdeck.model.pulse_lines import pulse_lines, spark
from mcpdeck.model.state import State
from mcpdeck.model.words import ASCII, UNICODE, Tone
from tests.support import scenes
from tests.support.fake_gateway import NOW

SECOND = timedelta(seconds=1)
TEXT = """\
# HELP mcpdeck_requests_total MCP requests that came in.
# TYPE mcpdeck_requests_total counter
mcpdeck_requests_total 1200
mcpdeck_answers_total{class="0xx"} 1
mcpdeck_answers_total{class="2xx"} 1180
mcpdeck_answers_total{class="4xx"} 12
mcpdeck_answers_total{class="5xx"} 7
mcpdeck_requests_in_flight 4
mcpdeck_streams 9
mcpdeck_bytes_in_total 1e6
mcpdeck_bytes_out_total 2.5e+06
another_thing{a="b"} 3 1700000000
"""


def metrics(requests: float, **fields: float) -> Metrics:
    defaults: dict[str, float] = {"in_flight": 0.0, "streams": 0.0, "bytes_in": 0.0, "bytes_out": 0.0}
    answers = {name: fields.pop(name) for name in ("a5xx", "a4xx") if name in fields}
    told = {name.removeprefix("a"): value for name, value in answers.items()}
    return Metrics(requests=requests, answers=told, **(defaults | fields))


def sessions(**calls: int) -> dict[str, LiveSession]:
    return {
        name: scenes.session(0, name, f"{name}-0", id=name, calls=number, principal_name=f"user of {name}")
        for name, number in calls.items()
    }


def test_counters_are_read_and_others_left_alone() -> None:
    found = parse_metrics(TEXT)
    assert found is not None
    assert (found.requests, found.answers["5xx"], found.in_flight, found.streams) == (1200, 7, 4, 9)
    assert (found.bytes_in, found.bytes_out) == (1_000_000, 2_500_000)
    assert (found.unknown, found.forbidden) == (None, None)  # an older gateway
    counted = parse_metrics(
        f'{TEXT}mcpdeck_refused_callers_total{{status="401"}} 5\nmcpdeck_refused_callers_total{{status="403"}} 2\n'
    )
    assert counted is not None
    assert (counted.unknown, counted.forbidden) == (5, 2)


def test_refused_callers_are_a_rate_where_they_are_counted() -> None:
    pulse = taken(Pulse(), NOW, metrics(10, unknown=1.0, forbidden=0.0), {})
    pulse = taken(pulse, NOW + 2 * SECOND, metrics(20, unknown=4.0, forbidden=1.0), {})
    assert pulse.beats[-1].no_access == 2
    uncounted = taken(taken(Pulse(), NOW, metrics(10), {}), NOW + 2 * SECOND, metrics(20), {})
    assert uncounted.beats[-1].no_access is None


def test_slowest_is_the_worst_of_those_that_called_meanwhile() -> None:
    before = sessions(weather=10, time=3, idle=7)
    now = sessions(weather=12, time=4, idle=7)
    now = {name: replace(it, p95={"weather": 0.2, "time": 0.7, "idle": 9.0}[name]) for name, it in now.items()}
    pulse = taken(taken(Pulse(), NOW, None, before), NOW + 2 * SECOND, None, now)
    assert pulse.beats[-1].p95 == 0.7
    assert "Slowest" in text(State(), pulse, 118)
    assert "700ms" in text(State(), pulse, 118)


def test_replicas_are_bars_beside_the_busiest_and_one_that_is_not_ready_is_told() -> None:
    team = scenes.team()
    state = State(adapters=team.adapters, statuses=team.statuses)
    before = {it.id: it for it in team.sessions.values()}
    busy = next(it for it in team.sessions.values() if (it.adapter, it.instance) == ("weather", "weather-1"))
    now = before | {busy.id: replace(busy, calls=busy.calls + 60)}
    pulse = taken(taken(Pulse(), NOW, metrics(1), before), NOW + 2 * SECOND, metrics(61), now)
    drawn = text(state, pulse, 118)
    assert "weather          30.00/s  ▁█▁" in drawn
    assert "✖" in drawn.partition("Replicas")[2]  # of search


def test_busiest_replica_fills_its_bar_whatever_its_rate() -> None:
    team = scenes.team()
    state = State(adapters=team.adapters, statuses=team.statuses)
    before = {it.id: it for it in team.sessions.values()}
    busy = next(it for it in team.sessions.values() if (it.adapter, it.instance) == ("weather", "weather-1"))
    now = before | {busy.id: replace(busy, calls=busy.calls + 7)}
    for thousandths in range(2000, 2100):  # for some of these rates 7 * rate / rate is more than 7
        pulse = taken(taken(Pulse(), NOW, metrics(1), before), NOW + thousandths / 1000 * SECOND, metrics(8), now)
        assert "▁█▁" in text(state, pulse, 118)


@pytest.mark.parametrize("text", ["", "<html>no</html>", "go_goroutines 7\n"])
def test_what_is_not_a_gateways_is_none(text: str) -> None:
    assert parse_metrics(text) is None


def test_rates_are_differences_over_the_time_between() -> None:
    pulse = taken(Pulse(), NOW, metrics(100, a5xx=1.0, a4xx=4.0), {})
    pulse = taken(pulse, NOW + 2 * SECOND, metrics(180, a5xx=2.0, a4xx=8.0, bytes_out=4000, in_flight=3), {})
    [beat] = pulse.beats
    assert (beat.calls, beat.failures, beat.refusals, beat.bytes_out, beat.in_flight) == (40, 0.5, 2, 2000, 3)


def test_counters_that_went_back_are_a_new_gateway_and_no_rate() -> None:
    pulse = taken(Pulse(), NOW, metrics(1000), {})
    pulse = taken(pulse, NOW + 2 * SECOND, metrics(5, in_flight=1), {})
    assert pulse.beats[-1].calls is None
    assert pulse.beats[-1].in_flight == 1


def test_time_in_which_nobody_looked_is_not_averaged() -> None:
    pulse = taken(Pulse(), NOW, metrics(0), {})
    pulse = taken(pulse, NOW + 300 * SECOND, metrics(1000), {})
    assert pulse.beats == ()


def test_talkers_are_those_whose_sessions_called_meanwhile() -> None:
    pulse = taken(Pulse(), NOW, None, sessions(weather=10, time=3, gone=7))
    pulse = taken(pulse, NOW + 2 * SECOND, None, sessions(weather=30, time=3, fresh=4))
    assert per_second(pulse.beats, "adapters") == [("weather", 10.0), ("fresh", 2.0)]
    assert per_second(pulse.beats, "users") == [("user of weather", 10.0), ("user of fresh", 2.0)]


def test_errors_of_adapters_are_counted() -> None:
    before = sessions(weather=1)
    after = {name: replace(it, errors=it.errors + 6, calls=2) for name, it in before.items()}
    pulse = taken(taken(Pulse(), NOW, None, before), NOW + 2 * SECOND, None, after)
    assert per_second(pulse.beats, "errors") == [("weather", 3.0)]


def test_bars_grow_with_what_they_mean() -> None:
    assert spark([0, 1, 4, 8], 4, UNICODE) == "▁▂▅█"
    assert spark([None, 2.0], 4, UNICODE) == "   █"
    assert spark([0.0, 0.0], 2, UNICODE) == "▁▁"
    assert spark([1.0] * 9, 3, ASCII) == "###"


def test_what_fails_is_loud_and_what_is_nothing_or_never_changes_is_not() -> None:
    pulse = taken(Pulse(), NOW, metrics(0, a5xx=0), {})
    for beat, failed in ((1, 0), (2, 8), (3, 8)):
        pulse = taken(pulse, NOW + 2 * beat * SECOND, metrics(beat * 10, a5xx=failed, streams=4), {})
    lines = {
        line[0].text.strip(): line for line in pulse_lines(State(), pulse, now=NOW, width=80, glyphs=UNICODE) if line
    }
    assert [(it.text.strip(), it.tone) for it in lines["Failed"][2:-1]] == [
        ("▁", Tone.DIM), ("█", Tone.BAD), ("▁", Tone.DIM),
    ]  # fmt: skip
    assert {it.tone for it in lines["Streams"][2:]} == {Tone.DIM}


def text(state: State, pulse: Pulse, width: int, glyphs: object = UNICODE) -> str:
    lines = pulse_lines(state, pulse, now=NOW, width=width, glyphs=glyphs)  # type: ignore[arg-type]
    return "\n".join("".join(cell.text for cell in line) for line in lines)


def busy() -> tuple[State, Pulse]:
    scene = scenes.team()
    state = State(adapters=scene.adapters, statuses=scene.statuses, sessions=scene.sessions)
    after = {name: replace(it, calls=it.calls + 5) for name, it in scene.sessions.items()}
    pulse = taken(Pulse(), NOW, metrics(100), scene.sessions)
    return state, taken(pulse, NOW + 2 * SECOND, metrics(500, a5xx=3.0, in_flight=2), after)


def test_pulse_counts_what_there_is() -> None:
    shown = text(*busy(), 118)
    for part in (
        "Adapters          14",
        "▲ Degraded 1",
        "✖ Failed 1",
        "20 ready",
        "9 restarts",
        "Sessions          80",
    ):
        assert part in shown
    for part in ("200.0/s", "1.5/s", "Busiest adapters", "github", "Busiest users", "Busiest clients", "claude-code"):
        assert part in shown


@pytest.mark.parametrize("width", [58, 78, 118, 198])
def test_pulse_fits_its_width(width: int) -> None:
    for line in text(*busy(), width).splitlines():
        assert len(line) <= width + 2, line


def test_gateway_without_counters_is_told_and_its_sessions_still_count() -> None:
    state, pulse = busy()
    shown = text(state, replace(pulse, trouble="metrics are off"), 100)
    assert "the gateway gives none: metrics are off" in shown
    assert "github" in shown


def test_plain_terminal_gets_a_plain_pulse() -> None:
    assert text(*busy(), 118, ASCII).isascii()
