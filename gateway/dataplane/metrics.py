"""What the data plane counts, as plain integers for /metrics. Formats nothing."""

from collections.abc import Mapping


class Counters:
    """Since the start. `by_class[n]` counts answers of status n00 to n99; [0] those that never came to a status.

    unknown and forbidden: of these, who had no token that counts (401), and who had one that does not suffice (403).
    """

    __slots__ = ("by_class", "bytes_in", "bytes_out", "forbidden", "in_flight", "requests", "streams", "unknown")

    def __init__(self) -> None:
        self.requests = 0
        self.by_class = [0, 0, 0, 0, 0, 0]
        self.unknown = 0
        self.forbidden = 0
        self.in_flight = 0  # requests that an instance has in hand, streams included
        self.streams = 0  # open event streams
        self.bytes_in = 0  # of bodies, from clients
        self.bytes_out = 0  # of bodies, to clients

    def answered(self, status: int) -> None:
        self.by_class[status // 100] += 1
        if status == 401:
            self.unknown += 1
        elif status == 403:
            self.forbidden += 1

    def numbers(self) -> dict[str, int]:
        """By name, those by class with their place: what another process adds to its own."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "by_class"}
        return plain | {f"by_class.{place}": count for place, count in enumerate(self.by_class)}

    def plus(self, others: Mapping[str, int]) -> "Counters":
        """Both together. others: `numbers`, of a sibling or of several."""
        sums = Counters()
        for name in self.__slots__:
            if name != "by_class":
                setattr(sums, name, getattr(self, name) + others.get(name, 0))
        sums.by_class = [count + others.get(f"by_class.{place}", 0) for place, count in enumerate(self.by_class)]
        return sums
