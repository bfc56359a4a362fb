"""The data plane's counters in Prometheus' text form. Counts nothing."""

from collections.abc import Iterator

from gateway.dataplane.metrics import Counters


def lines(counters: Counters) -> Iterator[str]:
    """Without their ends."""
    yield from _family("mcpdeck_requests_total", "counter", "MCP requests that came in.")
    yield f"mcpdeck_requests_total {counters.requests}"
    yield from _family("mcpdeck_answers_total", "counter", "MCP answers by class of status; 0xx never had one.")
    for number, count in enumerate(counters.by_class):
        yield f'mcpdeck_answers_total{{class="{number}xx"}} {count}'
    yield from _family("mcpdeck_refused_callers_total", "counter", "MCP requests without the right token, by status.")
    yield f'mcpdeck_refused_callers_total{{status="401"}} {counters.unknown}'
    yield f'mcpdeck_refused_callers_total{{status="403"}} {counters.forbidden}'
    for name, value, told in (
        ("mcpdeck_requests_in_flight", counters.in_flight, "MCP requests that an instance has in hand."),
        ("mcpdeck_streams", counters.streams, "Open event streams."),
    ):
        yield from _family(name, "gauge", told)
        yield f"{name} {value}"
    for way, count in (("in", counters.bytes_in), ("out", counters.bytes_out)):
        yield from _family(f"mcpdeck_bytes_{way}_total", "counter", f"Bytes of bodies, {way}.")
        yield f"mcpdeck_bytes_{way}_total {count}"


def _family(name: str, kind: str, told: str) -> Iterator[str]:
    yield f"# HELP {name} {told}"
    yield f"# TYPE {name} {kind}"
