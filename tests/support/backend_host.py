"""A gateway's backend alone in a process, to be killed: applies what it is told on stdin, says what it observes.

Each line of stdin is a JSON array of desired states; each line of stdout the observed instances, by adapter.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec

from gateway.core.desired import Desired
from gateway.core.errors import GatewayError
from tests.support.local_backend import local_backend


async def main(folder: Path) -> None:
    stop, desired = asyncio.Event(), list[Desired]()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with local_backend(folder) as backend, asyncio.TaskGroup() as tasks:

        async def obey() -> None:
            reader = asyncio.StreamReader(limit=2**20)
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
            async for line in reader:
                desired[:] = msgspec.json.decode(line, type=list[Desired])
                await backend.apply(desired)

        async def tell() -> None:
            while True:
                told = {each.name: backend.observed(each.name).instances for each in desired}
                print(msgspec.json.encode(told).decode(), flush=True)
                await backend.changed()

        running = [tasks.create_task(obey()), tasks.create_task(tell())]
        await stop.wait()
        for task in running:
            task.cancel()


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except GatewayError as error:
        print(f"refused: {error.detail}", flush=True)
        os._exit(1)
