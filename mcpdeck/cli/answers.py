"""Answers to what a server asks in the middle of a call: from a file, or typed on a terminal. Sends none."""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcpdeck.cli.documents import text_of
from mcpdeck.cli.exits import USAGE, Failure
from mcpdeck.mcp.peer import Declined
from mcpdeck.model.plain import plain
from mcpdeck.model.sampling import conversation, written
from mcpdeck.model.schema_form import Field, Kind, arguments_of, blank, fields_of

type Tell = Callable[[str], None]
type Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

SAMPLING: Final = "sampling/createMessage"
MODEL: Final = "human"
_DECLINE: Final = {"action": "decline"}


def from_file(name: str, tell: Tell) -> Answer:
    """One answer for every question, or a list for one after the other; what it has none for is declined.

    An answer is a result as MCP has it (`action: accept` and `content:`), content alone, a text for sampling, or null,
    which declines.
    """
    value = _read(name)
    prepared = iter(value) if isinstance(value, list) else itertools.repeat(value)

    async def answer(question: dict[str, Any]) -> dict[str, Any]:
        tell(f"the server asks: {_told(question)}; answered from {name}")
        return _result(question, next(prepared, None))

    return answer


def _read(name: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text_of(name))
    except yaml.YAMLError as error:
        raise Failure(USAGE, f"{name} is neither YAML nor JSON: {error}") from error


def _result(question: dict[str, Any], answer: Any) -> dict[str, Any]:
    is_sampling = question.get("method") == SAMPLING
    if answer is None:
        return _refused(question)
    if is_sampling:
        return written(answer, MODEL) if isinstance(answer, str) else dict(answer)
    if not isinstance(answer, dict):
        raise Failure(USAGE, f"the answer {answer!r} is no form: members and values, or null")
    return answer if "action" in answer else {"action": "accept", "content": answer}


def _refused(question: dict[str, Any]) -> dict[str, Any]:
    """A form can be declined; a model that does not answer is an error."""
    if question.get("method") == SAMPLING:
        raise Declined("the user does not answer")
    return dict(_DECLINE)


def _told(question: dict[str, Any]) -> str:
    params = question.get("params") or {}
    return plain(str(params.get("message") or "for a model's answer"))


def by_hand(tell: Tell) -> Answer:
    """Asks on the terminal, on stderr; end of file declines."""

    async def answer(question: dict[str, Any]) -> dict[str, Any]:
        params = question.get("params") or {}
        try:
            if question.get("method") == SAMPLING:
                for line in conversation(params):
                    tell("".join(cell.text for cell in line))
                return written(await _asked("answer (end of file refuses): "), MODEL)
            tell(f"the server asks: {_told(question)}")
            if params.get("mode") == "url":
                tell(f"  {plain(str(params.get('url')))}")
                is_yes = (await _asked("opened it? [y/N] ")).lower().startswith("y")
                return {"action": "accept"} if is_yes else dict(_DECLINE)
            return {"action": "accept", "content": await _form(params, tell)}
        except EOFError:
            return _refused(question)

    return answer


async def _form(params: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Every field until it is right. Enter takes the default, or leaves out what is not needed."""
    fields = fields_of(params.get("requestedSchema"))
    entries = blank(fields)
    for field in fields:
        while True:
            text = await _asked(_question(field, entries[field.name]))
            tried = {field.name: _typed(field, text) or entries[field.name]}
            _, errors = arguments_of([field], tried, extra={})
            if not errors:
                entries |= tried
                break
            tell(f"{field.label} {errors[field.name]}")
    return arguments_of(fields, entries, extra={})[0]


def _question(field: Field, default: str) -> str:
    options = "/".join(option.label for option in field.options) or ("true/false" if field.kind is Kind.SWITCH else "")
    told = ", ".join(filter(None, [field.description, options or field.hint]))
    words = [f"  {field.label}{'*' if field.required else ''}", told and f"({told})", default and f"[{default}]"]
    return f"{' '.join(filter(None, words))}: "


def _typed(field: Field, text: str) -> str:
    """A choice by its name."""
    return next((option.value for option in field.options if text in (option.label, option.value)), text)


async def _asked(prompt: str) -> str:
    """One line. The prompt goes where messages go, so that data stays alone on stdout."""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = await _line()
    if not line:
        raise EOFError
    return line.rstrip("\n")


async def _line() -> str:
    """A terminal hands over whole lines. Waits in no thread, which could not be left when Ctrl-C ends the call."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        loop.remove_reader(sys.stdin)
        if not typed.done():
            typed.set_result(sys.stdin.readline())

    try:
        loop.add_reader(sys.stdin, read)
    except NotImplementedError:  # the loop of Windows waits for sockets alone
        return await asyncio.to_thread(sys.stdin.readline)
    try:
        return await typed
    finally:
        loop.remove_reader(sys.stdin)
