"""Writes what is derived from the code: `uv run python manifests/make.py`. A test says when it is stale."""

import sys
from pathlib import Path
from typing import Any

import yaml

from gateway.cluster.definitions import adapter_definition
from gateway.cluster.tool_definitions import policy_definition, tool_definition, toolset_definition

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from chart import template  # noqa: E402

CHART_NOTICE = "{{- /* Made by manifests/make.py from manifests/base; edit that. */ -}}\n"
NOTICE = "# Made by manifests/make.py from gateway/cluster/definitions.py; edit that.\n"


class _Plain(yaml.SafeDumper):
    """No anchors: kubectl reads them, people don't."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml's signature
        return True


def made() -> dict[Path, str]:
    """What the files should hold."""
    definitions = {
        "adapters": adapter_definition(),
        "tools": tool_definition(),
        "toolsets": toolset_definition(),
        "policies": policy_definition(),
    }
    written = {f"{name}.yaml": NOTICE + _yaml(each) for name, each in definitions.items()}
    kinds = {
        folder / name: text for folder in (HERE / "crds", HERE / "helm" / "crds") for name, text in written.items()
    }
    return kinds | {HERE / "helm" / "templates" / "gateway.yaml": CHART_NOTICE + template(HERE / "base")}


def _yaml(document: Any) -> str:
    text: str = yaml.dump(document, Dumper=_Plain, sort_keys=False, width=120)
    return text


if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(HERE.parent)}\n")
