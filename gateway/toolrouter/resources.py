"""Which adapter a resource's URI leads to: one that listed it, one whose template it fits, or any that may know it."""

import re
from functools import lru_cache
from typing import Final

from gateway.core.access import Principal
from gateway.toolrouter.sight import Sight
from gateway.wire.names import AdapterName

_EXPRESSION = re.compile(r"\{([+#./;?&]?)[^{}]*\}")
_STANDS_FOR: Final = {"": "[^/?#]*", "+": ".*", "#": "(?:#.*)?", ".": r"[^/?#]*", "/": "(?:/[^?#]*)?", ";": "[^/?#]*"}
_QUERY: Final = r"(?:[?&][^#]*)?"


def owners(sight: Sight, principal: Principal, uri: str) -> list[AdapterName]:
    """In the order in which to ask them; empty where nobody that the principal may use can know it."""
    listed = sight.resource(principal, uri)
    if listed is not None:
        return [listed.source]
    fitting = {
        each.source for each in sight.catalog.templates.values() if fits(each.key, uri) and sight.sees(principal, each)
    }
    return sorted(fitting) or sight.resource_owners(principal)


def fits(template: str, uri: str) -> bool:
    """Whether a URI may be an expansion of a template (RFC 6570); rather too often than too rarely."""
    return _compiled(template).fullmatch(uri) is not None


@lru_cache(maxsize=1024)
def _compiled(template: str) -> re.Pattern[str]:
    parts: list[str] = []
    end = 0
    for found in _EXPRESSION.finditer(template):
        parts += [re.escape(template[end : found.start()]), _STANDS_FOR.get(found[1], _QUERY)]
        end = found.end()
    return re.compile("".join([*parts, re.escape(template[end:])]), re.DOTALL)
