"""What can't run on this machine, said to who deploys it. Starts nothing; a name that nobody resolves may be tried."""

import sys

from gateway.backends.process.engine import Engine
from gateway.backends.reach.refusals import refusal_of_url
from gateway.backends.reach.remote import Egress, Resolve
from gateway.core.errors import GatewayError, Invalid, Unsupported
from gateway.wire.resources import AdapterSpec

_ELSEWHERE = "or run it on the cluster backend"


async def refusal_of(
    spec: AdapterSpec, *, engine: Engine | None, egress: Egress, resolve: Resolve, seconds: float
) -> GatewayError | None:
    """None when it can be tried. seconds: for the name server."""
    if spec.use_workload_identity:
        return Unsupported(
            f"a workload identity exists in a cluster only: set useWorkloadIdentity to false, {_ELSEWHERE}"
        )
    if sys.platform == "win32" and not spec.url:
        return Unsupported("commands and images need a POSIX system: run the gateway in WSL, or deploy a url")
    if spec.stdio is not None:
        return _of_stdio(spec)
    if spec.image_name:
        return await _of_image(spec, engine)
    return await refusal_of_url(spec, egress, resolve, seconds=seconds)


def _of_stdio(spec: AdapterSpec) -> GatewayError | None:
    if spec.stdio is not None and spec.stdio.image_name:
        return Unsupported(
            f"a stdio command runs on this machine itself, not in an image: leave out stdio.imageName, {_ELSEWHERE}"
        )
    return None


async def _of_image(spec: AdapterSpec, engine: Engine | None) -> GatewayError | None:
    otherwise = f"deploy the server as stdio or url, {_ELSEWHERE}"
    if engine is None:
        return Unsupported(f"images need podman or docker on the gateway's PATH: install one of them, {otherwise}")
    trouble = await engine.trouble()
    if trouble is not None:
        return Unsupported(f"images need a container engine, and {engine.path} does not work ({trouble}): {otherwise}")
    steering = [name for name in (*spec.environment_variables, *spec.secret_environment) if engine.owns(name)]
    if steering:
        sentence = "steers the container engine itself on this backend; choose another name"
        places = dict.fromkeys(spec.environment_variables, "environmentVariables")
        places |= dict.fromkeys(spec.secret_environment, "secretEnvironment")
        found = {f"{places[name]}.{name}": [sentence] for name in steering}
        return Invalid("some variables can't be set here", errors=found)
    return None
