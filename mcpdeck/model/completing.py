"""What a server is asked as somebody types an argument of a prompt or a template, and what it proposes. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from mcpdeck.model.plain import one_line
from mcpdeck.model.playground import Kind, Subject

METHOD: Final = "completion/complete"
CAPABILITY: Final = "completions"
_REFERENCES: Final = {Kind.PROMPT: ("ref/prompt", "name"), Kind.TEMPLATE: ("ref/resource", "uri")}


def is_completed(subject: Subject) -> bool:
    """Servers complete nothing else."""
    return subject.kind in _REFERENCES


def params_of(subject: Subject, name: str, value: str, others: Mapping[str, str]) -> dict[str, Any]:
    """others: arguments that are known already; what is empty is not."""
    reference, member = _REFERENCES[subject.kind]
    context = {other: text for other, text in others.items() if text and other != name}
    params: dict[str, Any] = {
        "ref": {"type": reference, member: subject.name},
        "argument": {"name": name, "value": value},
    }
    return params | ({"context": {"arguments": context}} if context else {})


def proposed(result: Mapping[str, Any]) -> list[str]:
    """In the server's order, each on one line; the specification has at most a hundred."""
    completion = result.get("completion")
    values = completion.get("values") if isinstance(completion, dict) else None
    return [one_line(each) for each in values[:100] if isinstance(each, str)] if isinstance(values, list) else []


def continued(value: str, proposals: list[str]) -> str | None:
    """The first proposal that what is typed is a beginning of, and not all of."""
    return next((each for each in proposals if each.startswith(value) and each != value), None)
