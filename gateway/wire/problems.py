"""RFC 9457 problem details: the one form of an error on the control plane."""

from typing import Final

import msgspec

MEDIA_TYPE: Final = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`code` is stable and for programs; `detail` says what was wanted, what was found and what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    code: str = ""
    errors: dict[str, list[str]] = {}
