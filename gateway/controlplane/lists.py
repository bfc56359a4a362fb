"""Lists as callers ask for them: searched, filtered, in pages. Knows no resource."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.core.errors import Invalid
from gateway.wire.resources import Page

DEFAULT_LIMIT: Final = 100
LARGEST_LIMIT: Final = 1000
SEARCH: Final = "q"
_PAGING: Final = ("limit", "cursor", SEARCH)

type Query = Mapping[str, str]
type Filters[Item] = Mapping[str, Callable[[Item], Sequence[str]]]


def asked[Item](
    items: Sequence[Item],
    query: Query,
    *,
    key: Callable[[Item], str],
    filters: Filters[Item],
    searched: Callable[[Item], Sequence[str]],
) -> list[Item] | Page[Item]:
    """items: ordered by `key`, which is unique. Without `limit` and `cursor` the whole list, as MS's gateway has it.

    filters: the values of an item that a parameter is compared with, whatever their case. searched: where `q` is looked
    for. Raises Invalid, also for a parameter that is none of these: to ignore it would be to return too much.
    """
    if unknown := query.keys() - filters.keys() - set(_PAGING):
        known = ", ".join((*_PAGING, *filters))
        raise _invalid(min(unknown), f"is no parameter of this list; there are {known}")
    found = [item for item in items if _is_wanted(item, query, filters, searched)]
    if "limit" not in query and "cursor" not in query:
        return found
    return _page(found, _limit(query), _after(query), key)


def _is_wanted[Item](
    item: Item, query: Query, filters: Filters[Item], searched: Callable[[Item], Sequence[str]]
) -> bool:
    for name, values in filters.items():
        if name in query and query[name].casefold() not in [value.casefold() for value in values(item)]:
            return False
    sought = query.get(SEARCH, "").casefold()
    return not sought or any(sought in text.casefold() for text in searched(item))


def _page[Item](items: Sequence[Item], limit: int, after: str, key: Callable[[Item], str]) -> Page[Item]:
    rest = [item for item in items if key(item) > after]
    shown = rest[:limit]
    more = len(rest) > limit
    cursor = base64.urlsafe_b64encode(key(shown[-1]).encode()).rstrip(b"=").decode() if more else None
    return Page(items=shown, next_cursor=cursor)


def _limit(query: Query) -> int:
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= LARGEST_LIMIT:
        raise _invalid("limit", f"must be 1 to {LARGEST_LIMIT}")
    return int(text)


def _after(query: Query) -> str:
    text = query.get("cursor", "")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise _invalid("cursor", "is none that this list gave; begin again without it") from error


def _invalid(parameter: str, sentence: str) -> Invalid:
    return Invalid(f"{parameter} {sentence}", errors={parameter: [sentence]})
