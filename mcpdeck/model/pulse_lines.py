"""The pulse as lines of cells: counts, rates with their last minutes, who talks most. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from math import ceil
from typing import Final

from gateway.wire.resources import InstanceStatus
from mcpdeck.model import sessions
from mcpdeck.model.formatting import clip, count, latency, plural, size
from mcpdeck.model.pulse import KEPT, Pulse, per_second
from mcpdeck.model.state import State
from mcpdeck.model.words import URGENCY, Cell, Glyphs, Tone, sign_of

_LABEL: Final = 11
_NUMBER: Final = 9
_TALKERS: Final = 8

type Line = list[Cell]


def pulse_lines(state: State, pulse: Pulse, *, now: datetime, width: int, glyphs: Glyphs) -> Iterator[Line]:
    yield from _counted("Adapters", len(state.adapters), _phases(state, glyphs), width)
    instances = [it for status in state.statuses.values() for it in status.instances]
    yield from _counted("Instances", len(instances), _instances(instances), width)
    yield from _counted("Sessions", len(state.sessions), _sessions(state, now, glyphs), width)
    yield []
    yield from _rates(pulse, width, glyphs)
    yield []
    yield from _talkers(pulse, width, glyphs)
    yield from _heat(state, pulse, width, glyphs)


def _counted(label: str, number: int, parts: Iterable[Cell], width: int) -> Iterator[Line]:
    """What does not fit goes on in the next line, under the first part."""
    line = _label(label, count(number))
    for part in parts:
        if sum(len(cell.text) for cell in line) + len(part.text) > width and len(line) > 2:
            yield line
            line = _label("", "")
        line.append(part)
    yield line


def _label(label: str, number: str) -> Line:
    return [Cell(f"{label:<{_LABEL}}", Tone.DIM), Cell(f"{number:>{_NUMBER}}   ", Tone.STRONG)]


def _phases(state: State, glyphs: Glyphs) -> Iterator[Cell]:
    counted = Counter(state.statuses[name].phase if name in state.statuses else None for name in state.adapters)
    for phase in URGENCY:
        if counted[phase]:
            sign = sign_of(phase)
            yield Cell(f"{glyphs.sign(sign)} {count(counted[phase])}   ", sign.tone)


def _instances(instances: Sequence[InstanceStatus]) -> Iterator[Cell]:
    ready, restarts = sum(it.ready for it in instances), sum(it.restarts for it in instances)
    yield Cell(f"{count(ready)} ready   ", Tone.PLAIN if ready == len(instances) else Tone.WARN)
    yield Cell(plural(restarts, "restart"), Tone.WARN if restarts else Tone.DIM)


def _sessions(state: State, now: datetime, glyphs: Glyphs) -> Iterator[Cell]:
    counted = Counter(sessions.sign_of(it, now) for it in state.sessions.values())
    for sign, number in sorted(counted.items(), key=lambda pair: pair[0].word):
        yield Cell(f"{glyphs.sign(sign)} {count(number)}   ", sign.tone)
    for era, number in sorted(Counter(it.era for it in state.sessions.values()).items()):
        yield Cell(f"{era} {count(number)}  ", Tone.DIM)


def _rates(pulse: Pulse, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """Of all that goes through the gateway, as it counts itself."""
    if pulse.trouble:
        yield [Cell("Counters", Tone.DIM), Cell(f"   the gateway gives none: {pulse.trouble}", Tone.WARN)]
        return
    if not pulse.beats:
        yield [Cell("Counters", Tone.DIM), Cell("   a moment, until there are two to compare", Tone.DIM)]
        return
    beats = pulse.beats
    room = max(10, min(KEPT, width - _LABEL - _NUMBER - 22))
    for label, name, tone, shown in (
        ("Calls", "calls", Tone.ACCENT, _rate),
        ("Failed", "failures", Tone.BAD, _rate),
        ("Refused", "refusals", Tone.WARN, _rate),
        ("No access", "no_access", Tone.WARN, _rate),
        ("Slowest", "p95", Tone.DIM, latency),
        ("In flight", "in_flight", Tone.DIM, _whole),
        ("Streams", "streams", Tone.DIM, _whole),
        ("Bytes in", "bytes_in", Tone.DIM, _bytes),
        ("Bytes out", "bytes_out", Tone.DIM, _bytes),
    ):
        values = [getattr(beat, name) for beat in beats]
        if all(value is None for value in values):
            continue  # this gateway does not count it
        last, most = values[-1], max((value for value in values if value is not None), default=0.0)
        number = "" if last is None else shown(last)
        line = _label(label, number)
        line[1] = Cell(line[1].text, Tone.DIM if not last else Tone.PLAIN if tone is Tone.DIM else tone)
        yield [*line, *_toned(spark(values, room, glyphs), tone, glyphs), Cell(f"  most {shown(most)}", Tone.DIM)]


def _toned(drawn: str, tone: Tone, glyphs: Glyphs) -> Iterator[Cell]:
    """What is nothing is quiet, so that a single failure is seen."""
    for is_low, run in groupby(drawn, key=lambda bar: bar in (" ", glyphs.bars[0])):
        yield Cell("".join(run), Tone.DIM if is_low else tone)


def _rate(value: float) -> str:
    return f"{value:,.1f}/s" if value < 1000 else f"{value:,.0f}/s"


def _whole(value: float) -> str:
    return count(round(value))


def _bytes(value: float) -> str:
    return f"{size(round(value))}/s"


def spark(values: Sequence[float | None], width: int, glyphs: Glyphs) -> str:
    """The last values as bars, the latest at the right; where nothing is known, nothing is drawn."""
    last = [None] * max(0, width - len(values)) + list(values[-width:])
    most = max((value for value in last if value is not None), default=0.0)
    bars = glyphs.bars
    drawn = []
    for value in last:
        if value is None:
            drawn.append(" ")
        else:
            step = 0 if most <= 0 or value <= 0 else ceil((len(bars) - 1) * value / most)
            drawn.append(bars[min(step, len(bars) - 1)])
    return "".join(drawn)


def _talkers(pulse: Pulse, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """Of live sessions alone: calls of those that have ended meanwhile are counted above, and not here."""
    beats = pulse.beats
    columns = [("Busiest adapters", "adapters"), ("Busiest users", "users"), ("Busiest clients", "clients")]
    wide = (width - 2) // (len(columns) if width >= 110 else 2) - 2
    shown = columns if width >= 110 else columns[:2]
    yield [Cell(f"{title:<{wide}}  ", Tone.ACCENT) for title, _ in shown]
    tables = [per_second(beats, which)[:_TALKERS] for _, which in shown]
    errors = {name: round(rate * 60) for name, rate in per_second(beats, "errors")}
    if not any(tables):
        yield [Cell("Nobody has called in the last minute." if beats else "", Tone.DIM)]
    for row in range(max(map(len, tables), default=0)):
        line: Line = []
        for table in tables:
            line += _talker(table, row, wide, glyphs, errors) if row < len(table) else [Cell(" " * (wide + 2))]
        yield line


def _talker(
    table: Sequence[tuple[str, float]], row: int, wide: int, glyphs: Glyphs, errors: Mapping[str, int]
) -> Iterator[Cell]:
    name, rate = table[row]
    bar_room = max(4, wide // 4)
    bar = glyphs.bars[-1] * max(1, round(bar_room * rate / table[0][1]))
    failed = f" {glyphs.no} {errors[name]}/min" if errors.get(name) else ""
    name_room = wide - bar_room - 11 - len(failed)
    yield Cell(f"{rate:>7.2f}/s ", Tone.STRONG)
    yield Cell(f"{bar:<{bar_room}} ", Tone.ACCENT)
    yield Cell(clip(name, name_room, glyphs.ellipsis))
    yield Cell(failed, Tone.BAD)
    yield Cell(" " * (name_room - min(len(name), name_room) + 2))


def _heat(state: State, pulse: Pulse, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """A bar for each replica, as high as its calls are beside the busiest; only where calls can go to several."""
    rates = dict(per_second(pulse.beats, "instances"))
    shared = {name: it.instances for name, it in state.statuses.items() if len(it.instances) > 1}
    most = max((rates.get(f"{name} {it.name}", 0.0) for name, each in shared.items() for it in each), default=0.0)
    if not most:
        return
    yield []
    yield [Cell("Replicas", Tone.ACCENT), Cell("   calls of each, beside the busiest", Tone.DIM)]
    totals = {name: sum(rates.get(f"{name} {it.name}", 0.0) for it in each) for name, each in shared.items()}
    name_room = min(24, max(map(len, shared)))
    for name in sorted(shared, key=lambda name: (-totals[name], name))[:_TALKERS]:
        yield [
            Cell(f"{clip(name, name_room, glyphs.ellipsis):<{name_room}}  ", Tone.PLAIN),
            Cell(f"{totals[name]:>7.2f}/s  ", Tone.STRONG),
            *_bars(name, shared[name][: max(4, width - name_room - 14)], rates, most, glyphs),
        ]


def _bars(
    adapter: str, instances: Sequence[InstanceStatus], rates: Mapping[str, float], most: float, glyphs: Glyphs
) -> Iterator[Cell]:
    steps = len(glyphs.bars) - 1
    for it in instances:
        rate = rates.get(f"{adapter} {it.name}", 0.0)
        if not it.ready:
            yield Cell(glyphs.no[0], Tone.BAD)
        else:
            share = rate / most  # first: 7 * most / most may be more than 7
            yield Cell(glyphs.bars[ceil(steps * share)], Tone.ACCENT if rate else Tone.DIM)
