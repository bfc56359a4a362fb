"""What Accept and Content-Type say of JSON and event streams. Weighs no q: who names a type takes it."""

from functools import lru_cache


@lru_cache(maxsize=256)
def accepts(accept: bytes | None) -> tuple[bool, bool]:
    """Whether JSON, and whether an event stream may be answered with. No header at all accepts anything."""
    if accept is None:
        return True, True
    types = {_type(part) for part in accept.split(b",")}
    takes_all = b"*/*" in types
    takes_json = takes_all or bool(types & {b"application/json", b"application/*"})
    return takes_json, takes_all or bool(types & {b"text/event-stream", b"text/*"})


@lru_cache(maxsize=256)
def is_json(content_type: bytes | None) -> bool:
    return content_type is not None and _type(content_type) == b"application/json"


def _type(value: bytes) -> bytes:
    return value.partition(b";")[0].strip().lower()
