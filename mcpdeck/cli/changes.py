"""`mcpdeck adapters create|apply|scale|restart|delete`: what changes an adapter. `edit` is a room of its own."""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.wire.resources import Adapter, AdapterSpec
from mcpdeck import control
from mcpdeck.cli import editing, specs
from mcpdeck.cli.consent import add_consent, must_consent
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, PARTIAL, Failure, failure_of
from mcpdeck.cli.words import seconds
from mcpdeck.config.settings import Output
from mcpdeck.errors import ProblemError
from mcpdeck.model.formatting import plural

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words

WAIT_SECONDS: Final = 120.0


def add_parsers(verbs: "argparse._SubParsersAction[Words]") -> None:
    line = "Deploy an MCP server."
    create = verbs.add_parser("create", help=line, description=line,
                              usage="mcpdeck adapters create NAME (--stdio -- COMMAND… | --url URL | --image IMAGE) "
                                    "[options]\n       mcpdeck adapters create -f FILE [options]")  # fmt: skip
    specs.add_options(create)
    _add_dry_run(create)
    _add_wait(create)
    create.add_argument("-o", "--output", choices=list(Output), metavar="FORMAT", help="print what was made")
    create.set_defaults(run=_create, takes_trailing=True)
    line = "Make adapters as files say: new ones are created, others replaced where they differ."
    apply = verbs.add_parser("apply", help=line, description=line)
    apply.add_argument("-f", "--file", action="append", required=True, metavar="FILE", help="- is stdin; repeat")
    _add_dry_run(apply)
    _add_wait(apply)
    apply.add_argument("-o", "--output", choices=list(Output), metavar="FORMAT", help="print what came of it")
    apply.set_defaults(run=_apply)
    editing.add_parser(verbs)
    line = "How many instances an adapter shall have; 0 stops it."
    scale = verbs.add_parser("scale", help=line, description=line)
    scale.add_argument("name", metavar="NAME")
    scale.add_argument("replicas", type=int, metavar="REPLICAS")
    _add_wait(scale)
    scale.set_defaults(run=_scale)
    line = "Start every instance anew, one after the other."
    restart = verbs.add_parser("restart", help=line, description=line)
    restart.add_argument("names", nargs="+", metavar="NAME")
    _add_wait(restart)
    restart.set_defaults(run=_restart)
    line = "Remove adapters, their instances and their sessions."
    delete = verbs.add_parser("delete", aliases=["rm"], help=line, description=line)
    delete.add_argument("names", nargs="+", metavar="NAME")
    add_consent(delete)
    delete.set_defaults(run=_delete)


def _add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", choices=("Ready",), metavar="Ready", help="until all instances are ready")
    parser.add_argument("--timeout", type=seconds, default=WAIT_SECONDS, metavar="DURATION", help="at most; 2m")


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", choices=("client",), metavar="client", help="check and print it, send nothing")


def _create(words: argparse.Namespace, desk: Desk) -> int:
    spec = specs.of_words(words, desk.trailing)
    if words.dry_run:
        _print_spec(spec, desk)
        return OK
    desk.target.must_be_writable()
    adapter = desk.target.do(control.create(spec))
    desk.printer.tell(f"{adapter.name} is deployed: {desk.target.mcp_url(adapter.name)}")
    _show(words, desk, [adapter])
    _wait_ready(words, desk, [adapter])
    return OK


def _apply(words: argparse.Namespace, desk: Desk) -> int:
    found = specs.of_files(words.file)
    if words.dry_run:
        for number, (_, spec) in enumerate(found):
            _print_spec(spec, desk, is_first=number == 0)
        return OK
    desk.target.must_be_writable()
    made: list[Adapter] = []

    def put(where_and_spec: tuple[str, AdapterSpec]) -> None:
        made.append(_put(where_and_spec[1], desk))

    code = each(desk, found, put, lambda it: it[1].name)
    _show(words, desk, made)
    _wait_ready(words, desk, made)
    return code


def _put(spec: AdapterSpec, desk: Desk) -> Adapter:
    try:
        present = desk.target.do(control.adapter(spec.name))
    except ProblemError as error:
        if error.problem.status != 404:
            raise
        made = desk.target.do(control.create(spec))
        desk.printer.tell(f"{spec.name} is deployed: {desk.target.mcp_url(spec.name)}")
        return made
    if _is_as(present, spec):
        desk.printer.tell(f"{spec.name} is unchanged")
        return present
    changed = desk.target.do(control.replace(spec.name, spec, present.etag))
    desk.printer.tell(f"{spec.name} is changed")
    return changed


def _is_as(present: Adapter, spec: AdapterSpec) -> bool:
    return all(getattr(present, name) == getattr(spec, name) for name in AdapterSpec.__struct_fields__)


def _scale(words: argparse.Namespace, desk: Desk) -> int:
    desk.target.must_be_writable()
    adapter = desk.target.do(control.patch(words.name, {"replicaCount": words.replicas}, None))
    desk.printer.tell(f"{adapter.name} scales to {plural(adapter.replica_count, 'replica')}")
    _wait_ready(words, desk, [adapter])
    return OK


def _restart(words: argparse.Namespace, desk: Desk) -> int:
    desk.target.must_be_writable()
    old: dict[str, frozenset[str]] = {}

    def restart(name: str) -> None:
        if words.wait:
            old[name] = frozenset(instance.uid for instance in desk.target.do(control.status(name)).instances)
        desk.target.do(control.restart(name))
        desk.printer.tell(f"{name} restarts")

    code = each(desk, words.names, restart, str)
    if words.wait:
        adapters = [desk.target.do(control.adapter(name)) for name in old]
        _wait_ready(words, desk, [it for it in adapters if not it.url], gone=old)
    return code


def _delete(words: argparse.Namespace, desk: Desk) -> int:
    desk.target.must_be_writable()
    must_consent(words, desk, verb="Delete", names=words.names, lost=lambda: _lost(words.names, desk))

    def delete(name: str) -> None:
        desk.target.do(control.delete(name, None))
        desk.printer.tell(f"{name} is deleted")

    return each(desk, words.names, delete, str)


def _lost(names: Sequence[str], desk: Desk) -> str:
    sessions = sum(session.adapter in names for session in desk.target.do(control.sessions()))
    return f"{plural(sessions, 'live session')} will drop. " if sessions else ""


def each[Item](desk: Desk, items: Sequence[Item], act: Callable[[Item], None], name: Callable[[Item], str]) -> int:
    """One that fails holds up none. The failure itself where there was one item, PARTIAL where some were done."""
    failures: list[Failure] = []
    for item in items:
        try:
            act(item)
        except Exception as error:
            failure = failure_of(error)
            if failure is None or len(items) == 1:
                raise
            desk.printer.tell(f"{name(item)}: {failure.sentence}")
            failures.append(failure)
    if not failures:
        return OK
    codes = {failure.code for failure in failures}
    return codes.pop() if len(failures) == len(items) and len(codes) == 1 else PARTIAL


def _wait_ready(
    words: argparse.Namespace, desk: Desk, adapters: Sequence[Adapter], gone: dict[str, frozenset[str]] | None = None
) -> None:
    if not words.wait or not adapters:
        return
    from mcpdeck.cli.waiting import is_ready, wait

    replicas = {adapter.name: adapter.replica_count for adapter in adapters}
    old = gone or {}
    wait(
        desk,
        list(replicas),
        lambda name: is_ready(replicas[name], gone=old.get(name, frozenset())),
        limit=words.timeout,
    )


def _show(words: argparse.Namespace, desk: Desk, adapters: Sequence[Adapter]) -> None:
    if words.output:
        from mcpdeck.cli.kinds import ADAPTERS

        if len(adapters) == 1:
            desk.printer.one(ADAPTERS, adapters[0])
        else:
            desk.printer.many(ADAPTERS, adapters)


def _print_spec(spec: AdapterSpec, desk: Desk, *, is_first: bool = True) -> None:
    from mcpdeck.model.yaml_lines import to_yaml

    plain: dict[str, Any] = msgspec.to_builtins(spec)
    if desk.printer.output.is_machines:
        desk.printer.json(plain)
    else:
        print(("" if is_first else "---\n") + to_yaml(spec), end="")
