"""What a gateway hears of a pod's life that it asks again and again."""

import asyncio

import msgspec
import pytest

from gateway.backends.kubernetes import asking
from gateway.backends.kubernetes.asking import Asker
from gateway.backends.kubernetes.instances import Spoken, Trouble
from gateway.backends.kubernetes.shape import PATH
from gateway.backends.reach.caller import open_caller
from gateway.backends.reach.patience import Patience
from gateway.cluster.objects import Pod
from gateway.wire.http1 import Request
from tests.support.answering import Reply, answering

SILENT = "no answer within 60 s, neither to server/discover nor to initialize"


def pod(port: int) -> Pod:
    status = {"name": "server", "restartCount": 0, "state": {"running": {"startedAt": "2026-11-24T12:00:00Z"}}}
    return msgspec.convert(
        {
            "metadata": {"name": "weather-0", "uid": "u1", "annotations": {PATH: "/mcp"}},
            "spec": {"containers": [{"name": "server", "ports": [{"name": "mcp", "containerPort": port}]}]},
            "status": {"podIP": "127.0.0.1", "phase": "Running", "containerStatuses": [status]},
        },
        Pod,
    )


async def test_a_doubt_that_lasts_becomes_the_word_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that starts beside a server that has long been silent doubts at first, and must not go on for ever."""

    async def confirm(_pod: Pod, _spoken: Spoken) -> None:
        raise AssertionError("it speaks nothing")

    async def last_words(_name: str) -> str:
        return "waiting for the licence server"

    def unwell(_request: Request) -> Reply:
        return Reply(503, body=SILENT.encode())

    monkeypatch.setattr(asking, "_DOUBT", 0.05)
    heard: asyncio.Queue[Trouble | None] = asyncio.Queue()
    async with answering(unwell) as server, open_caller() as caller, asyncio.TaskGroup() as tasks:
        found = pod(server.port)
        asker = Asker(
            {"weather-0": found},
            tasks=tasks,
            caller=caller,
            patience=Patience(probe=0.01, longest_probe=0.02, answer=5),
            path=lambda _: "/mcp",
            confirm=confirm,
            last_words=last_words,
            on_news=lambda _: heard.put_nowait(asker.trouble(found)),
        )
        asker.look(found)
        async with asyncio.timeout(30):
            while (trouble := await heard.get()) is None or not trouble.reason:
                pass
        asker.close()
    assert trouble == Trouble("HandshakeFailed", f"{SILENT}\nwaiting for the licence server")
