"""A YAML file in which every mistake is told with its line. Knows no key by itself."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from mcpdeck.errors import Misconfigured


class Section(msgspec.Struct, frozen=True):
    """A map of the file: its plain values, and the line that each key stands in."""

    path: Path
    values: dict[str, Any]
    lines: dict[str, int]
    sections: dict[str, "Section"]

    def wrong(self, key: str, sentence: str) -> Misconfigured:
        return Misconfigured(f"{self.path}:{self.lines.get(key, 1)}: {key}: {sentence}")

    def only(self, known: Iterable[str]) -> None:
        """Raises Misconfigured for the first key that is not one of these."""
        known = sorted(known)
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise self.wrong(key, f"no such key; {f'did you mean {near[0]}?' if near else 'known: '}"
                                 f"{'' if near else ', '.join(known)}")  # fmt: skip

    def section(self, key: str) -> "Section":
        """The map under a key; an empty one where there is none."""
        if self.values.get(key) is None:
            return Section(self.path, {}, {}, {})
        if key not in self.sections:
            raise self.wrong(key, "must be a map")
        return self.sections[key]

    def read[Value](self, kind: type[Value]) -> Value:
        """The whole map as a Struct whose fields are its keys. Raises Misconfigured."""
        fields = msgspec.structs.fields(kind)  # type: ignore[arg-type]
        self.only(field.encode_name for field in fields)
        for field in fields:
            if field.encode_name in self.values:
                try:
                    msgspec.convert(self.values[field.encode_name], field.type)
                except msgspec.ValidationError as error:
                    raise self.wrong(field.encode_name, _lowered(str(error))) from error
            elif field.required:
                raise Misconfigured(
                    f"{self.path}:{min(self.lines.values(), default=1)}: {field.encode_name} is missing"
                )
        return msgspec.convert(self.values, kind)


def read_yaml(path: Path) -> Section | None:
    """None where there is no file. Raises Misconfigured."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}: can not be read: {error}") from error
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise Misconfigured(f"{path}{line}: {getattr(error, 'problem', None) or 'is no YAML'}") from error
    if plain is None:
        return Section(path, {}, {}, {})
    if not isinstance(plain, dict):
        raise Misconfigured(f"{path}:1: must be a map")
    return _section(path, node, plain)


def _section(path: Path, node: Any, plain: dict[Any, Any]) -> Section:
    lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
    nodes = {str(key.value): value for key, value in node.value}
    values = {str(key): value for key, value in plain.items()}
    sections = {
        key: _section(path, nodes[key], value)
        for key, value in values.items()
        if isinstance(value, dict) and key in nodes
    }
    return Section(path, values, lines, sections)


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
