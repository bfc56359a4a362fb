"""What a child finds in its environment, and where its secrets come from."""

from pathlib import Path

import pytest

from gateway.backends.process.environment import Secrets, scrubbed, variable_of
from gateway.backends.reach.problems import CannotStart
from gateway.wire.resources import SecretReference


def test_a_child_sees_the_short_list_and_nothing_else() -> None:
    environ = {
        "PATH": "/bin",
        "HOME": "/home/ada",
        "LC_ALL": "C.UTF-8",
        "HTTPS_PROXY": "http://proxy:3128",
        "SSL_CERT_FILE": "/ca.pem",
        "AWS_SECRET_ACCESS_KEY": "no",
        "MCPDECK_SECRET_GITHUB_TOKEN": "no",
        "LD_PRELOAD": "no",
        "PYTHONPATH": "no",
        "VIRTUAL_ENV": "no",
    }
    assert set(scrubbed(environ)) == {"PATH", "HOME", "LC_ALL", "HTTPS_PROXY", "SSL_CERT_FILE"}


def test_an_operator_may_name_more() -> None:
    assert scrubbed({"UV_INDEX_URL": "https://example.org", "OTHER": "no"}, ["UV_INDEX_URL", "ABSENT"]) == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "UV_INDEX_URL": "https://example.org",
    }


def test_a_secrets_name_becomes_a_variable_of_its_own_prefix() -> None:
    assert variable_of(SecretReference(secret="github", key="api-token")) == "MCPDECK_SECRET_GITHUB_API_TOKEN"


def test_secrets_come_from_marked_variables(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path, {"MCPDECK_SECRET_GITHUB_TOKEN": "abc", "GITHUB_TOKEN": "no"})
    assert secrets.values({"T": SecretReference(secret="github", key="token")}) == {"T": "abc"}


def test_a_secrets_file_comes_before_the_variable_and_is_read_anew(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path, {"MCPDECK_SECRET_GITHUB_TOKEN": "variable"})
    file = tmp_path / "github" / "token"
    file.parent.mkdir()
    for text, value in (("first\n", "first"), ("second\n\n", "second\n"), ("", "")):
        file.write_text(text)
        assert secrets.value(SecretReference(secret="github", key="token")) == value


def test_a_missing_secret_says_where_it_could_be(tmp_path: Path) -> None:
    with pytest.raises(CannotStart) as caught:
        Secrets(tmp_path, {}).value(SecretReference(secret="github", key="token"))
    assert caught.value.reason == "SecretMissing"
    assert f"write it to {tmp_path}/github/token" in caught.value.sentence
    assert "MCPDECK_SECRET_GITHUB_TOKEN" in caught.value.sentence


@pytest.mark.parametrize(("secret", "key"), [("..", "passwd"), ("a/../..", "b"), ("a", "../b"), ("", "a"), ("a", "")])
def test_a_name_never_leads_out_of_the_folder(tmp_path: Path, secret: str, key: str) -> None:
    with pytest.raises(CannotStart, match="is not the name of a secret"):
        Secrets(tmp_path / "secrets", {}).value(SecretReference(secret=secret, key=key))


def test_a_secret_that_is_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "github" / "token").mkdir(parents=True)
    with pytest.raises(CannotStart, match="can't be read"):
        Secrets(tmp_path, {}).value(SecretReference(secret="github", key="token"))
