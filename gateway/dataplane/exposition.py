"""The data plane's counters in Prometheus' text form. Counts nothing."""

from collections.abc import Iterator

from gateway.dataplane.metrics import Counters
from gateway.wire.prometheus import family, single


def lines(counters: Counters) -> Iterator[str]:
    """Without their ends."""
    yield from single("mcpdeck_requests_total", "counter", "MCP requests that came in.", counters.requests)
    yield from family(
        "mcpdeck_answers_total",
        "counter",
        "MCP answers by class of status; 0xx never had one.",
        *(({"class": f"{number}xx"}, count) for number, count in enumerate(counters.by_class)),
    )
    yield from family(
        "mcpdeck_refused_callers_total",
        "counter",
        "MCP requests without the right token, by status.",
        ({"status": "401"}, counters.unknown),
        ({"status": "403"}, counters.forbidden),
    )
    in_hand = "MCP requests that an instance has in hand."
    yield from single("mcpdeck_requests_in_flight", "gauge", in_hand, counters.in_flight)
    yield from single("mcpdeck_streams", "gauge", "Open event streams.", counters.streams)
    yield from single("mcpdeck_bytes_in_total", "counter", "Bytes of bodies, in.", counters.bytes_in)
    yield from single("mcpdeck_bytes_out_total", "counter", "Bytes of bodies, out.", counters.bytes_out)
