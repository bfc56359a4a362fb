"""What no backend may look after, of servers elsewhere: said to who deploys them. Opens nothing."""

from urllib.parse import urlsplit

from gateway.backends.reach.remote import Egress, OutOfBounds, Resolve, addresses_of, port_of
from gateway.core.errors import GatewayError, Invalid
from gateway.wire.resources import AdapterSpec


async def refusal_of_url(spec: AdapterSpec, egress: Egress, resolve: Resolve, *, seconds: float) -> GatewayError | None:
    """None when it can be tried, or names nothing that resolves now. seconds: for the name server."""
    if spec.replica_count > 1:
        sentence = "must be 0 or 1: how often a server elsewhere runs is its host's business"
        return Invalid("the url has one instance", errors={"replicaCount": [sentence]})
    if spec.authorization is not None and egress.tokens is not None:
        refusal = egress.tokens.refusal(spec.authorization)
        if refusal:
            return Invalid("the gateway gets no such token", errors={"authorization.tokenUrl": [refusal]})
    try:
        parts = urlsplit(spec.url)
        port_of(parts)
        await addresses_of(parts, egress, resolve, seconds=seconds)
    except OutOfBounds as problem:
        return Invalid(f"the gateway may not call {spec.url}", errors={"url": [str(problem)]})
    except ValueError as error:
        if isinstance(error, UnicodeError):
            return None  # a name that nobody resolves: its status will say so
        return Invalid(f"{spec.url} is no URL", errors={"url": [str(error)]})
    except (OSError, TimeoutError):
        return None
    return None
