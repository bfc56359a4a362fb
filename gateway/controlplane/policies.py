"""/policies and /approvals: decode, ask the service, encode."""

from typing import Final

from quart import Blueprint, Response

from gateway.controlplane import lists, replies
from gateway.controlplane.door import principal
from gateway.controlplane.health import Check
from gateway.controlplane.managed import manage
from gateway.core.errors import Invalid
from gateway.core.policy import Faulty
from gateway.core.tools import DesiredPolicy
from gateway.services.decoding import decode
from gateway.services.managed import summary
from gateway.services.policies import InForce, Policies, must_administer
from gateway.wire.policies import ApprovalDecision, Question

_FILTERS: Final[lists.Filters[DesiredPolicy]] = {"mode": lambda each: (each.spec.mode,)}


def policy_routes(policies: Policies, in_force: InForce) -> Blueprint:
    routes = Blueprint("policies", __name__)

    @routes.post("/policies/test")
    async def test() -> Response:
        must_administer(principal())
        try:
            return replies.json(in_force.tested(decode(await replies.body(), Question)))
        except Faulty as error:
            errors = {f"draft.{field}": sentences for field, sentences in error.problems.items()}
            raise Invalid(summary(errors), errors=errors) from error

    manage(routes, policies, "policies", filters=_FILTERS, searched=_texts)
    return routes


def approval_routes(in_force: InForce, partial: Check) -> Blueprint:
    routes = Blueprint("approvals", __name__)

    @routes.get("/approvals")
    async def listing() -> Response:
        return replies.json(in_force.approvals.pending(principal()), headers=replies.partial(partial()))

    @routes.post("/approvals/<approval_id>")
    async def decide(approval_id: str) -> Response:
        decision = decode(await replies.body(), ApprovalDecision)
        return replies.json(await in_force.approvals.decide_anywhere(principal(), approval_id, decision))

    return routes


def _texts(desired: DesiredPolicy) -> tuple[str, ...]:
    spec = desired.spec
    return spec.name, spec.description, *(rule.name for rule in spec.rules), *(rule.when for rule in spec.rules)
