"""Whom TLS believes: the machine's own authorities, and one more where a context names it."""

import ssl

from mcpdeck.errors import Misconfigured


def trust_in(ca_file: str) -> ssl.SSLContext:
    """ca_file: a PEM file, "" for none. Raises Misconfigured."""
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # ssl's own among them
            why = error.strerror or str(error)
            raise Misconfigured(f"{ca_file}, the certificate authority to trust, can't be used: {why}") from error
    return context
