"""The routes of traffic in words and types, as `contract` has all the others."""

from typing import Final

from gateway.controlplane.operations import Operation, Parameter
from gateway.wire.traffic import JSONL, RecordingStatus

TRAFFIC_TAGS: Final = {"traffic": "What clients and adapters say to each other."}

_REVEAL: Final = Parameter(
    "reveal",
    "Secrets in payloads are not hidden; false. For who may change the adapter, and in the audit log.",
    "boolean",
)
_LAST: Final = Parameter("Last-Event-ID", "Of the last message that was heard; where it is recorded.", kind="header")
_HOW: Final = (
    "Server-sent events: `message` (a TrafficMessage), `dropped` (`{count}`: a slow reader lost some), `end` "
    "(`{reason}`, then the stream closes). From now on; where the adapter records, what is recorded comes first. "
    "Values under names like `token` or `password` are hidden, and what looks like a credential."
)

TRAFFIC_OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/sessions/live/{session_id}/traffic",
        endpoint="traffic.of_session",
        summary="One session's messages, as they flow",
        description=f"{_HOW} For the session's user, and for who may change its adapter. Ends with the session.",
        answer="text/event-stream",
        parameters=(_REVEAL, _LAST),
        refusals=(400, 404),
    ),
    Operation(
        method="GET",
        path="/adapters/{name}/traffic",
        endpoint="traffic.of_adapter",
        summary="An adapter's messages, as they flow",
        description=f"{_HOW} All to who may change the adapter; to others their own.",
        answer="text/event-stream",
        parameters=(_REVEAL, _LAST),
        refusals=(400, 404),
    ),
    Operation(
        method="GET",
        path="/traffic",
        endpoint="traffic.of_all",
        summary="All messages that one may see, as they flow",
        description=f"{_HOW} Of every adapter that the caller may read, those to come as well: all of one that they "
        "may change, of others their own. Secrets are revealed of one adapter at a time.",
        answer="text/event-stream",
        parameters=(_LAST,),
        refusals=(400,),
    ),
    Operation(
        method="GET",
        path="/adapters/{name}/recording",
        endpoint="traffic.recording",
        summary="What the flight recorder holds",
        description="For who may change the adapter: a TrafficMessage per line, the oldest first, secrets hidden. "
        "Of all replicas, each named in `replica`, by whom messages are numbered. A message of the kind `gap` says "
        "that something is missing: the gateway was away, or a replica's part can't be had. 404 where "
        "`recording.enabled` is not set.",
        answer=JSONL,
        parameters=(Parameter("session", "Only that session's."),),
        refusals=(404,),
    ),
    Operation(
        method="GET",
        path="/adapters/{name}/recording/status",
        endpoint="traffic.recording_status",
        summary="How much the flight recorder holds, and where",
        description="For who may change the adapter: since when, how much, whether it lies encrypted on a disk, and "
        "what is missing; of each replica. 404 where `recording.enabled` is not set.",
        answer=RecordingStatus,
        refusals=(404,),
    ),
)
