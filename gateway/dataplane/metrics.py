"""What the data plane counts, as plain integers for /metrics. Formats nothing."""


class Counters:
    """Since the start. `by_class[n]` counts answers of status n00 to n99; [0] those that never came to a status."""

    __slots__ = ("by_class", "bytes_in", "bytes_out", "in_flight", "requests", "streams")

    def __init__(self) -> None:
        self.requests = 0
        self.by_class = [0, 0, 0, 0, 0, 0]
        self.in_flight = 0  # requests that an instance has in hand, streams included
        self.streams = 0  # open event streams
        self.bytes_in = 0  # of bodies, from clients
        self.bytes_out = 0  # of bodies, to clients

    def answered(self, status: int) -> None:
        self.by_class[status // 100] += 1
