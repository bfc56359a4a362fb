"""One more certificate authority is trusted besides the machine's own; a file that can't serve is named."""

import ssl
from pathlib import Path

import pytest

from mcpdeck.auth.errors import AuthError
from mcpdeck.auth.trust import trusting_session
from mcpdeck.errors import Misconfigured
from mcpdeck.trust import trust_in
from tests.support.certificates import localhost_certificate


def test_file_adds_to_the_authorities_of_the_machine(tmp_path: Path) -> None:
    own = len(ssl.create_default_context().get_ca_certs())
    assert len(trust_in(str(localhost_certificate(tmp_path).certfile)).get_ca_certs()) == own + 1
    assert len(trust_in("").get_ca_certs()) == own


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_file_that_can_not_serve_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Misconfigured, match=r"ca\.pem, the certificate authority to trust"):
        trust_in(str(file))
    with pytest.raises(AuthError, match=r"ca\.pem, the certificate authority to trust"):
        trusting_session(str(file))
