"""A requests session that trusts one more certificate authority than the machine does. For MSAL and azure-identity."""

from typing import Any

from mcpdeck.auth.errors import AuthError
from mcpdeck.errors import Misconfigured
from mcpdeck.trust import trust_in


def trusting_session(ca_file: str) -> Any:
    """For requests. `verify=ca_file` would not do: REQUESTS_CA_BUNDLE of the environment wins over it.

    Raises AuthError.
    """
    from requests import Session
    from requests.adapters import HTTPAdapter

    try:
        context = trust_in(ca_file)
    except Misconfigured as error:
        raise AuthError(str(error)) from error

    class Trusting(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs, ssl_context=context)

    session = Session()
    session.mount("https://", Trusting())
    return session
