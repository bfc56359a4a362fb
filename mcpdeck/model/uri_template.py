"""RFC 6570's URI templates, for texts: what they ask for, and the URI that comes of it. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

_EXPRESSION = re.compile(r"\{([+#./;?&]?)([^{}]+)\}")
_RESERVED = ":/?#[]@!$&'()*+,;="


def variables(template: str) -> list[str]:
    return [name for _, names in _EXPRESSION.findall(template) for name in _names(names)]


def expanded(template: str, values: Mapping[str, Any]) -> str:
    """Reserved and fragment expansion keep what a URI may hold, the others encode it."""

    def expand(match: re.Match[str]) -> str:
        operator, names = match.groups()
        safe = _RESERVED if operator in ("+", "#") else ""
        told = [
            (name, quote(str(values[name]), safe=safe)) for name in _names(names) if values.get(name) not in (None, "")
        ]
        if operator in ("?", "&", ";"):
            joined = (";" if operator == ";" else "&").join(f"{name}={value}" for name, value in told)
        else:
            joined = {".": ".", "/": "/"}.get(operator, ",").join(value for _, value in told)
        return (operator if operator != "+" else "") + joined if told else ""

    return _EXPRESSION.sub(expand, template)


def _names(list_of_them: str) -> Iterator[str]:
    """Without what explodes or cuts them."""
    return (name.rstrip("*").partition(":")[0].strip() for name in list_of_them.split(","))
