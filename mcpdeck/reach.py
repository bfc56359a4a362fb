"""Whether a gateway answers at all. Needs no sign-in, and shows nothing."""

import time
from typing import Final

import httpx

from mcpdeck.client import open_http, translated
from mcpdeck.errors import Unreachable

SECONDS: Final = 4.0


async def reach(url: str, *, ca_file: str = "") -> float:
    """Seconds until its answer. Raises Unreachable with the reason."""
    if not url:
        raise Unreachable("it does not run on this machine now")
    began = time.perf_counter()
    with translated(url):
        async with open_http(url, ca_file=ca_file) as http:
            answer = await http.get("/ping", timeout=httpx.Timeout(SECONDS))
    if not answer.is_success:
        raise Unreachable(f"/ping gave {answer.status_code}: is it a gateway?")
    return time.perf_counter() - began
