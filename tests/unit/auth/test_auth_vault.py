"""Where tokens rest. The keyring's tests run in a process of their own on a real Secret Service, where one is installed."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mcpdeck.auth import vault
from mcpdeck.auth.errors import VaultUnavailable
from mcpdeck.auth.vault import FileVault, KeyringVault, MemoryVault, open_vault

secret_service = pytest.mark.skipif(
    not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")),
    reason="needs gnome-keyring and dbus (.ci/run installs them)",
)


def under_a_secret_service(script: str, home: Path, *, unlock: bool = True) -> str:
    """Runs a script in a session bus of its own with its own, unlocked keyring; returns what it printed."""
    code = home / "script.py"
    code.write_text(textwrap.dedent(script))
    start = 'printf "a password" | gnome-keyring-daemon --unlock --components=secrets >/dev/null' if unlock else "true"
    shell = f'{start} && exec "$0" "$1"'
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "PYTHONPATH": str(Path(vault.__file__).parents[2]),
    }
    (home / "run").mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", shell, sys.executable, str(code)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@secret_service
def test_tokens_of_any_length_come_back_from_a_real_keyring_and_go_without_a_trace(tmp_path: Path) -> None:
    said = under_a_secret_service(
        """
        import keyring
        from mcpdeck.auth.vault import KeyringVault, open_vault
        vault = open_vault()
        assert isinstance(vault, KeyringVault), vault
        print(type(keyring.get_keyring()).__module__)
        for text in ("short", "long " * 3000, ""):
            vault.write("prod https://a.example", text)
            assert vault.read("prod https://a.example") == text
            assert vault.read("prod https://b.example") is None
        vault.write("prod https://a.example", "x" * 5000)
        vault.forget("prod https://a.example")
        assert vault.read("prod https://a.example") is None
        import secretstorage
        items = secretstorage.get_default_collection(secretstorage.dbus_init()).get_all_items()
        assert [item.get_label() for item in items] == []
        """,
        tmp_path,
    )
    assert "SecretService" in said or "chainer" in said


@secret_service
def test_what_the_keyring_wrote_on_disk_shows_no_token(tmp_path: Path) -> None:
    under_a_secret_service(
        "from mcpdeck.auth.vault import open_vault; open_vault().write('k', 'the-refresh-token')", tmp_path
    )
    files = [each for each in tmp_path.rglob("*") if each.is_file() and each.name != "script.py"]
    assert files
    assert not any(b"the-refresh-token" in each.read_bytes() for each in files)


@secret_service
def test_torn_entry_counts_as_none(tmp_path: Path) -> None:
    under_a_secret_service(
        """
        import keyring
        from mcpdeck.auth.vault import SERVICE, _part_names, open_vault
        vault = open_vault()
        vault.write("k", "x" * 2500)
        head = keyring.get_password(SERVICE, "k")
        keyring.set_password(SERVICE, _part_names("k", head)[1], "from elsewhere")
        assert vault.read("k") is None
        """,
        tmp_path,
    )


def test_without_a_keyring_tokens_stay_in_memory_and_the_vault_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backends.fail import Keyring

    monkeypatch.setattr(keyring, "get_keyring", Keyring)
    found = open_vault()
    assert isinstance(found, MemoryVault)
    assert not found.is_lasting


def test_backend_that_only_obscures_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    class Plaintext:
        priority = 0.5  # as keyrings.alt's

    monkeypatch.setattr(keyring, "get_keyring", Plaintext)
    assert isinstance(open_vault(), MemoryVault)


def test_locked_keyring_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.errors import KeyringLocked

    def locked(*_: str) -> str:
        raise KeyringLocked("locked by its owner")

    monkeypatch.setattr(keyring, "get_password", locked)
    with pytest.raises(VaultUnavailable, match="locked by its owner; unlock it, or use --token-file"):
        KeyringVault().read("k")


def test_token_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "token"
    subject = FileVault(path)
    assert subject.read("k") is None
    subject.write("k", "first")
    subject.write("k", "second")
    assert path.stat().st_mode & 0o777 == 0o600
    assert subject.read("k") == "second"
    path.chmod(0o644)
    with pytest.raises(VaultUnavailable, match="can be read by others"):
        subject.read("k")
    subject.forget("k")
    assert list(tmp_path.iterdir()) == []


def test_token_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(VaultUnavailable, match="No such file"):
        FileVault(tmp_path / "absent" / "token").write("k", "x")
