"""How much one client, principal or adapter may take of the gateway at once. Counts nothing itself.

What one request may hold is in `wire.http1.Limits`, how long an instance may take in an adapter's `timeouts`.
"""

from typing import Final

import msgspec

LARGEST_EVENT: Final = 64 * 1024 * 1024


class Bounds(msgspec.Struct, frozen=True):
    """0 is no bound. Times in seconds.

    connections, connections_per_peer: of clients, by address. streams, sessions: of a principal, those that last.
    parked: of a principal's calls with one adapter, those that wait for an answer of the client's; the oldest ends.
    requests: of an adapter, streams included. event: bytes of an event, or of a message that is translated.
    request_time: until a request is whole, and SLOWEST bytes more for each second beyond. keep_alive: of a connection
    between two requests, and of a client that reads nothing of what waits for it. sweep: how often that is looked at.
    """

    connections: int = 0
    connections_per_peer: int = 0
    streams: int = 0
    sessions: int = 0
    parked: int = 0
    requests: int = 0
    event: int = LARGEST_EVENT
    request_time: float = 30.0
    keep_alive: float = 620.0
    sweep: float = 1.0


SLOWEST: Final = 4096  # bytes a second, of a client that takes longer than request_time
NO_BOUNDS: Final = Bounds()
