"""How a tool is shown (renamed, described otherwise, arguments hidden or pinned), and its calls as the tool takes them.

Pure. What a view does not touch stays as its server wrote it.
"""

from collections.abc import Mapping
from typing import Any

from gateway.toolrouter.schemas import Definition
from gateway.wire.tools import ToolView


def shown(definition: Definition, name: str, view: ToolView) -> Definition:
    """The definition under its exported name. Raises ValueError when the view asks for what can't be."""
    changed = definition | {"name": name}
    if view.title:
        changed["title"] = view.title
    if view.description:
        changed["description"] = view.description
    if view.hidden_arguments or view.pinned_arguments:
        changed["inputSchema"] = _narrowed(definition["inputSchema"], view)
    return changed


def sent(arguments: dict[str, Any], view: ToolView) -> dict[str, Any]:
    """A caller's arguments as the tool gets them."""
    return arguments | view.pinned_arguments if view.pinned_arguments else arguments


def refused(arguments: Mapping[str, Any], view: ToolView) -> list[str]:
    """Arguments that a caller gave and may not, each with a sentence."""
    taken = [*view.hidden_arguments, *view.pinned_arguments]
    return [f"{name}: is not an argument of this tool" for name in taken if name in arguments]


def _narrowed(schema: dict[str, Any], view: ToolView) -> dict[str, Any]:
    """Without the arguments that callers don't see. One that is required must be pinned: no caller could give it."""
    gone = {*view.hidden_arguments, *view.pinned_arguments}
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    if unknown := sorted(gone - known.keys()):
        raise ValueError(f"its view hides or pins {', '.join(unknown)}, which is no argument of it")
    required = schema.get("required")
    wanted = required if isinstance(required, list) else []
    if missing := sorted(set(view.hidden_arguments) & {each for each in wanted if isinstance(each, str)}):
        raise ValueError(f"its view hides {', '.join(missing)}, which it requires; pin a value instead")
    narrowed = schema | {"properties": {name: each for name, each in known.items() if name not in gone}}
    if wanted:
        narrowed["required"] = [each for each in wanted if each not in gone]
    return narrowed
