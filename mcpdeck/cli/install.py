"""`mcpdeck install` and `mcpdeck uninstall`: the gateway in a cluster, from the manifests that come along."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any

from mcpdeck.cli.exits import UNEXPECTED, USAGE, WAITED, Failure
from mcpdeck.cli.words import pair, seconds

if TYPE_CHECKING:
    from mcpdeck.install.rendering import Wishes


def add_parser(commands: Any) -> None:
    """commands: argparse's subparsers."""
    line = "Install the gateway into a Kubernetes cluster, or bring an installation to this version."
    install = commands.add_parser("install", help=line, description=line)
    _add_place(install)
    install.add_argument("--image", default="", help="the gateway's image")
    install.add_argument("--runner-image", default="", help="what stdio adapters run in")
    install.add_argument("--redis-image", default="", help="for what gateways share (redis:7-alpine)")
    install.add_argument("--replicas", type=int, metavar="N", help="gateways (2); a single one goes without Redis")
    install.add_argument("--dry-run", choices=("client",), metavar="client", help="print the YAML, and touch nothing")
    install.add_argument("--wait", choices=("Ready",), metavar="Ready", help="until it serves")
    install.add_argument("--timeout", type=seconds, default=300, metavar="DURATION", help="for --wait (5m)")
    install.set_defaults(run=_install)
    line = "Remove the gateway from a cluster. Adapters stay, unless told otherwise."
    uninstall = commands.add_parser("uninstall", help=line, description=line)
    _add_place(uninstall)
    uninstall.add_argument("--with-adapters", action="store_true", help="and every adapter, tool and their secrets")
    uninstall.set_defaults(run=_uninstall)


def _add_place(parser: Any) -> None:
    parser.add_argument("--kube-context", default="", metavar="NAME", help="of your kubeconfig; the current one")
    parser.add_argument("--namespace", default="mcpdeck", help="the gateway's; adapters get NAMESPACE-adapters")
    parser.add_argument("--overlay", default="local", help="local, oidc, or aks (%(default)s)")
    parser.add_argument("--set", dest="blanks", type=pair, action="append", default=[], metavar="NAME=VALUE",
                        help="what the overlay leaves to you; repeat")  # fmt: skip
    parser.add_argument("--env", type=pair, action="append", default=[], metavar="NAME=VALUE",
                        help="one more variable of the gateway; repeat")  # fmt: skip


def _install(words: argparse.Namespace, _desk: object = None) -> int:
    import yaml

    from mcpdeck.install.rendering import rendered, superfluous

    wishes = _wishes(words)
    objects = _usage(lambda: rendered(wishes))
    if words.dry_run:
        yaml.safe_dump_all(objects, sys.stdout, sort_keys=False, width=120)
        return 0
    return asyncio.run(_apply(words, objects, superfluous(wishes)))


def _uninstall(words: argparse.Namespace, _desk: object = None) -> int:
    from mcpdeck.install.rendering import rendered

    wishes = _wishes(words)
    return asyncio.run(_remove(words, _usage(lambda: rendered(wishes, is_whole=False)), wishes.adapters_namespace))


async def _apply(words: argparse.Namespace, objects: list[dict[str, Any]], leftovers: list[dict[str, Any]]) -> int:
    from mcpdeck.install import steps
    from mcpdeck.install.cluster import Refused, opened

    async with opened(words.kube_context) as cluster:
        try:
            async for each, outcome in steps.install(cluster, objects):
                _say(each, outcome)
            async for each, outcome in steps.prune(cluster, leftovers):
                _say(each, outcome)
            if words.wait:
                await steps.wait(cluster, objects, words.timeout)
        except Refused as error:
            raise Failure(UNEXPECTED, str(error)) from error
        except steps.StillWaiting as error:
            hint = f"kubectl get pods,events -n {words.namespace}"
            raise Failure(WAITED, f"not ready within {words.timeout:g} s: {error}", hint=hint) from error
    return 0


async def _remove(words: argparse.Namespace, objects: list[dict[str, Any]], adapters_namespace: str) -> int:
    from mcpdeck.install import steps
    from mcpdeck.install.cluster import Refused, opened

    async with opened(words.kube_context) as cluster:
        try:
            async for each, outcome in steps.uninstall(
                cluster, objects, adapters_namespace=adapters_namespace, with_adapters=words.with_adapters
            ):
                _say(each, outcome)
        except Refused as error:
            raise Failure(UNEXPECTED, str(error)) from error
    return 0


def _say(told: dict[str, Any], outcome: str) -> None:
    print(f"{told['kind'].lower()}/{told['metadata']['name']} {outcome}", flush=True)


def _wishes(words: argparse.Namespace) -> "Wishes":
    from mcpdeck.install.rendering import Wishes

    return Wishes(
        overlay=words.overlay,
        namespace=words.namespace,
        image=getattr(words, "image", ""),
        runner_image=getattr(words, "runner_image", ""),
        redis_image=getattr(words, "redis_image", ""),
        replicas=getattr(words, "replicas", None),
        blanks=dict(words.blanks),
        env=dict(words.env),
    )


def _usage(work: Any) -> list[dict[str, Any]]:
    try:
        objects: list[dict[str, Any]] = work()
    except ValueError as error:
        raise Failure(USAGE, str(error)) from error
    return objects
