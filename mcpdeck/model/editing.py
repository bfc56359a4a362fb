"""A specification under a reader's hands: shown as YAML again and again until it is right. Starts no editor."""

from collections.abc import Callable

from gateway.wire.resources import AdapterSpec, problems_of
from mcpdeck.model.yaml_lines import from_yaml


def rounds(text: str, head: str, edit: Callable[[str], str | None]) -> AdapterSpec | None:
    """What the reader made of the text; None if they saved nothing. What is wrong stands above it until it is right."""
    remark = ""
    while True:
        shown = head + remark + text
        edited = edit(shown)
        if edited is None or edited == shown:
            return None
        text = "".join(line for line in edited.splitlines(keepends=True) if not line.startswith("#"))
        if not text.strip():
            return None
        try:
            spec = from_yaml(text)
        except ValueError as error:
            remark = "".join(f"# {line}\n" for line in str(error).splitlines())
            continue
        errors = problems_of(spec)
        if not errors:
            return spec
        remark = "".join(f"# {field}: {', '.join(sentences)}\n" for field, sentences in errors.items())
