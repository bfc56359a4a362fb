"""The server side of HTTP/1.1 as callbacks: one Protocol per connection, no task per request.

Shared by the gateway's lane and the sidecar. Parses with httptools (llhttp), which loads with this package alone. Knows
nothing of MCP: a whole request goes to a handler as an `Exchange`, which is where the answer is written.
"""

from gateway.wire.http1.alike import OWN, Likeness
from gateway.wire.http1.connection import Connection
from gateway.wire.http1.exchange import REASONS, Exchange, head_lines
from gateway.wire.http1.request import DEFAULT_LIMITS, HOST, Headers, Limits, Noted, Request

__all__ = [
    "DEFAULT_LIMITS",
    "HOST",
    "OWN",
    "REASONS",
    "Connection",
    "Exchange",
    "Headers",
    "Likeness",
    "Limits",
    "Noted",
    "Request",
    "head_lines",
]
