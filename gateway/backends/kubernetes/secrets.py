"""Values of the cluster's Secrets, for the headers of `url` adapters; pods get theirs from the kubelet. Keeps none."""

import base64
from collections.abc import Mapping

import msgspec

from gateway.backends.reach.problems import CannotStart
from gateway.cluster.api import Api
from gateway.cluster.objects import SECRET
from gateway.core.errors import GatewayError
from gateway.wire.resources import SecretReference


class _Secret(msgspec.Struct):
    data: dict[str, str] = {}


_decode = msgspec.json.Decoder(_Secret).decode


class Secrets:
    """Of the adapters' namespace alone."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def values(self, references: Mapping[str, SecretReference]) -> dict[str, str]:
        """By the same names. Raises CannotStart: SecretMissing."""
        return {name: await self._value(reference) for name, reference in references.items()}

    async def _value(self, reference: SecretReference) -> str:
        try:
            answer = await self._api.find(SECRET, reference.secret)
        except GatewayError as error:
            raise CannotStart("SecretMissing", f"the secret {reference.secret!r} can't be read: {error}") from error
        data = _decode(answer).data if answer is not None else {}
        if reference.key not in data:
            raise CannotStart(
                "SecretMissing",
                f"there is no key {reference.key!r} of secret {reference.secret!r} in namespace "
                f"'{self._api.namespace}': kubectl create secret generic {reference.secret} "
                f"-n {self._api.namespace} --from-literal={reference.key}=…",
            )
        return base64.b64decode(data[reference.key]).decode("utf-8", errors="replace").removesuffix("\n")
