"""`mcpdeck adapters edit`: in the reader's editor as often as it takes, and sent only if still the same."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.wire.resources import AdapterSpec
from mcpdeck import control
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import FORBIDDEN, OK, USAGE, Failure
from mcpdeck.errors import ProblemError

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words


def add_parser(verbs: "argparse._SubParsersAction[Words]") -> None:
    line = "Change an adapter in your editor: MCPDECK_EDITOR, VISUAL, EDITOR."
    edit = verbs.add_parser("edit", help=line, description=line)
    edit.add_argument("name", metavar="NAME")
    edit.set_defaults(run=_edit)


def _edit(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.model.editing import rounds
    from mcpdeck.model.yaml_lines import to_yaml

    desk.target.must_be_writable()
    adapter = desk.target.do(control.adapter(words.name))
    if None in adapter.environment_variables.values():
        raise Failure(FORBIDDEN, f"values of {adapter.name}'s environment are hidden from you, so it can not be edited")
    if not sys.stdin.isatty():
        raise Failure(
            USAGE, "an editor needs a terminal", hint=f"mcpdeck adapters get {adapter.name} -o yaml, apply -f"
        )
    from mcpdeck.editor import edit

    original = to_yaml(adapter)
    head = f"# {adapter.name} in {desk.target.context.name}. Save and leave to apply, leave unchanged to cancel.\n"
    spec = rounds(original, head, lambda text: edit(text, suffix=".yaml"))
    if spec is None or to_yaml(spec) == original:
        desk.printer.tell(f"{adapter.name} is unchanged")
        return OK
    try:
        desk.target.do(control.replace(adapter.name, spec, adapter.etag))
    except ProblemError as error:
        raise _kept(spec, error) from error
    desk.printer.tell(f"{adapter.name} is changed")
    return OK


def _kept(spec: AdapterSpec, error: ProblemError) -> Failure:
    """What was refused is not lost."""
    from mcpdeck.cli.exits import failure_of
    from mcpdeck.model.yaml_lines import to_yaml

    with tempfile.NamedTemporaryFile(
        "w", prefix=f"{spec.name}-", suffix=".yaml", delete=False, encoding="utf-8"
    ) as file:
        file.write(to_yaml(spec))
    failure = failure_of(error)
    assert failure is not None  # noqa: S101  (a problem always is one)
    failure.hint = f"what you wrote is kept in {Path(file.name)}: mcpdeck adapters apply -f it"
    return failure
