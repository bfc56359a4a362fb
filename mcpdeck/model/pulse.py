"""How busy a gateway is, from its counters and its live sessions; only what they say, and nothing guessed. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from gateway.wire.resources import LiveSession

SECONDS: Final = 2.0  # between two samples
KEPT: Final = 90  # samples: three minutes
WINDOW: Final = 30  # samples that talkers are counted over: a minute

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})? ([0-9.eE+-]+)(?: \d+)?")


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's own counters since its start; answers by class of status, as `2xx`; `0xx` never had one."""

    requests: float
    answers: Mapping[str, float]
    in_flight: float
    streams: float
    bytes_in: float
    bytes_out: float
    unknown: float | None = None  # refused callers: 401; None if this gateway does not count them
    forbidden: float | None = None  # 403


def parse_metrics(text: str) -> Metrics | None:
    """From Prometheus' text form; None if it holds none of the gateway's."""
    found: dict[str, float] = {}
    answers: dict[str, float] = {}
    for line in text.splitlines():
        match = _SAMPLE.fullmatch(line.strip())
        if match is None:
            continue
        name, labels, value = match[1], match[2] or "", float(match[3])
        if name == "mcpdeck_answers_total":
            answers[labels.removeprefix('class="').removesuffix('"')] = value
        elif name == "mcpdeck_refused_callers_total":
            found[f"{name}_{labels.removeprefix('status=').strip(chr(34))}"] = value
        elif name.startswith("mcpdeck_"):
            found[name] = value
    if "mcpdeck_requests_total" not in found:
        return None
    return Metrics(
        requests=found["mcpdeck_requests_total"],
        answers=answers,
        in_flight=found.get("mcpdeck_requests_in_flight", 0.0),
        streams=found.get("mcpdeck_streams", 0.0),
        bytes_in=found.get("mcpdeck_bytes_in_total", 0.0),
        bytes_out=found.get("mcpdeck_bytes_out_total", 0.0),
        unknown=found.get("mcpdeck_refused_callers_total_401"),
        forbidden=found.get("mcpdeck_refused_callers_total_403"),
    )


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What happened between two samples. The rates are None where the counters tell none: the first, or a restart."""

    seconds: float
    calls: float | None  # per second
    failures: float | None  # answers of 5xx and those that never came, per second
    refusals: float | None  # answers of 4xx, per second
    no_access: float | None = None  # of these 401 and 403
    p95: float | None = None  # seconds, of the slowest live session that called meanwhile
    bytes_in: float | None
    bytes_out: float | None
    in_flight: float | None
    streams: float | None
    adapters: Mapping[str, int]  # calls of live sessions that ended meanwhile
    users: Mapping[str, int]
    clients: Mapping[str, int]
    errors: Mapping[str, int]  # of adapters' live sessions
    instances: Mapping[str, int] = {}  # calls of live sessions, by `ADAPTER INSTANCE`


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """The last samples. trouble: why there are no counters; empty while there are."""

    at: datetime | None = None
    metrics: Metrics | None = None
    sessions: Mapping[str, LiveSession] = {}
    beats: tuple[Beat, ...] = ()
    trouble: str = ""


def taken(pulse: Pulse, at: datetime, metrics: Metrics | None, sessions: Mapping[str, LiveSession]) -> Pulse:
    """With one sample more."""
    if pulse.at is None or (at - pulse.at).total_seconds() > 5 * SECONDS:  # nobody looked meanwhile
        return Pulse(at=at, metrics=metrics, sessions=sessions)
    seconds = max(0.001, (at - pulse.at).total_seconds())
    beat = _beat(pulse, metrics, sessions, seconds)
    return Pulse(at=at, metrics=metrics, sessions=sessions, beats=(*pulse.beats, beat)[-KEPT:])


def _beat(pulse: Pulse, metrics: Metrics | None, sessions: Mapping[str, LiveSession], seconds: float) -> Beat:
    adapters, users, clients, errors = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    instances, slowest = Counter[str](), None
    for name, now in sessions.items():
        before = pulse.sessions.get(name)
        calls = now.calls - (before.calls if before else 0)
        adapters[now.adapter] += calls
        instances[f"{now.adapter} {now.instance}"] += calls
        if calls and now.p95 is not None:
            slowest = max(slowest or 0.0, now.p95)
        users[now.principal_name or now.principal] += calls
        clients[now.client_name or "unknown"] += calls
        errors[now.adapter] += now.errors - (before.errors if before else 0)
    rates = _rates(pulse.metrics, metrics, seconds)
    return Beat(
        seconds=seconds,
        calls=rates.get("calls"),
        failures=rates.get("failures"),
        refusals=rates.get("refusals"),
        no_access=rates.get("no_access") if metrics and metrics.unknown is not None else None,
        p95=slowest,
        bytes_in=rates.get("bytes_in"),
        bytes_out=rates.get("bytes_out"),
        in_flight=metrics.in_flight if metrics else None,
        streams=metrics.streams if metrics else None,
        adapters=+adapters,
        users=+users,
        clients=+clients,
        errors=+errors,
        instances=+instances,
    )


def _rates(before: Metrics | None, now: Metrics | None, seconds: float) -> dict[str, float]:
    if before is None or now is None or now.requests < before.requests:
        return {}
    totals = [_totals(metrics) for metrics in (before, now)]
    return {name: (totals[1][name] - totals[0][name]) / seconds for name in totals[0]}


def _totals(metrics: Metrics) -> dict[str, float]:
    answers = metrics.answers
    return {
        "calls": metrics.requests,
        "failures": answers.get("5xx", 0.0) + answers.get("0xx", 0.0),
        "refusals": answers.get("4xx", 0.0),
        "no_access": (metrics.unknown or 0.0) + (metrics.forbidden or 0.0),
        "bytes_in": metrics.bytes_in,
        "bytes_out": metrics.bytes_out,
    }


def per_second(beats: Sequence[Beat], which: str) -> list[tuple[str, float]]:
    """Over the last minute, the busiest first: `adapters`, `users`, `clients`, `instances`, `errors`."""
    last = beats[-WINDOW:]
    total = Counter[str]()
    for beat in last:
        total.update(getattr(beat, which))
    seconds = sum(beat.seconds for beat in last)
    return [(name, number / seconds) for name, number in total.most_common() if seconds]
