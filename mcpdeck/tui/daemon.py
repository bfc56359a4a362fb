"""A blocking call that may be given up: its thread holds up neither the loop nor the end of the program."""

import asyncio
import threading
from collections.abc import Callable


async def in_daemon[Value](run: Callable[[], Value], name: str) -> Value:
    """What it returns. Cancelled, the call goes on by itself, and what comes of it is thrown away."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Value] = loop.create_future()

    def settle(value: Value | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(value)  # type: ignore[arg-type]  # Value may be None itself

    def body() -> None:
        value, failed = None, None
        try:
            value = run()
        except BaseException as error:  # noqa: BLE001  (it is the awaiter's)
            failed = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, failed)

    threading.Thread(target=body, name=name, daemon=True).start()
    return await outcome
