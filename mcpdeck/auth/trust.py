"""A requests session that trusts one more certificate authority than the machine does. For MSAL and azure-identity."""

import ssl
from typing import Any

from requests import Session
from requests.adapters import HTTPAdapter


class _Trusting(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)


def trusting_session(ca_file: str) -> Session:
    """`verify=ca_file` would not do: requests lets REQUESTS_CA_BUNDLE of the environment win over it."""
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    session = Session()
    session.mount("https://", _Trusting(context))
    return session
