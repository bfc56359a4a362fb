"""How the reader likes it: flags before variables before the file before what is built in. Decides nothing else."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from mcpdeck.config.lines import read_yaml
from mcpdeck.errors import Misconfigured

PREFIX: Final = "MCPDECK_"


class Output(StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    NAME = "name"

    @property
    def is_machines(self) -> bool:
        """Whether a failure is told as JSON too."""
        return self in (Output.JSON, Output.JSONL)


class Color(StrEnum):
    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`theme`, `ascii` and `read_only` are the deck's."""

    output: Output = Output.TABLE
    color: Color = Color.AUTO
    theme: str = "dark"
    ascii: bool = False
    read_only: bool = False


def settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Raises Misconfigured."""
    file = read_yaml(path)
    chosen = Settings() if file is None else file.read(Settings)
    return msgspec.structs.replace(chosen, **_variables(environ))


def _variables(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        variable = PREFIX + field.name.upper()
        if text := environ.get(variable, ""):
            try:
                found[field.name] = msgspec.convert(text, field.type, strict=False)
            except msgspec.ValidationError as error:
                raise Misconfigured(f"{variable}={text}: {error}") from error
    return found
