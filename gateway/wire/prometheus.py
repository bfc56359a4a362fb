"""Numbers in Prometheus' text form (https://prometheus.io/docs/instrumenting/exposition_formats/). Counts nothing."""

from collections.abc import Iterator, Mapping
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
NO_LABELS: Final[Mapping[str, str]] = {}
_IN_HELP: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABEL: Final = _IN_HELP | str.maketrans({'"': r"\""})


def family(name: str, kind: str, told: str, *samples: tuple[Mapping[str, str], float]) -> Iterator[str]:
    """Lines without their ends. kind: `counter` or `gauge`. samples: each one's labels, and its value."""
    yield f"# HELP {name} {told.translate(_IN_HELP)}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield f"{name}{_written(labels)} {value}"


def single(name: str, kind: str, told: str, value: float) -> Iterator[str]:
    """A family of one, without labels."""
    return family(name, kind, told, (NO_LABELS, value))


def _written(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{value.translate(_IN_LABEL)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""
