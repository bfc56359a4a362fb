"""How the deck plans, does and keeps a sign-in: with the real files and a vault, without an issuer."""

from pathlib import Path

import msgspec
import pytest

from mcpdeck.auth import browsers, discovery, session, vault
from mcpdeck.auth.account import Account, Accounts, Method
from mcpdeck.auth.discovery import Offer, SignIn
from mcpdeck.auth.errors import AuthError, SignInNeeded
from mcpdeck.auth.vault import MemoryVault
from mcpdeck.tui.identity import KeptIdentity

URL = "https://gateway.example"
OFFER = Offer(resource=URL, sign_in=SignIn("terminal", "https://idp.example", "mcp.use"))


@pytest.fixture
def rest(monkeypatch: pytest.MonkeyPatch) -> MemoryVault:
    """Where tokens rest, instead of this machine's keyring."""
    memory = MemoryVault()
    monkeypatch.setattr(vault, "open_vault", lambda _token_file="": memory)
    monkeypatch.setattr(session, "open_vault", lambda _token_file="": memory)
    monkeypatch.setattr(discovery, "discover", lambda _url, **_rest: OFFER)
    return memory


def identity(tmp_path: Path, **environ: str) -> KeptIdentity:
    return KeptIdentity(tmp_path / "accounts.json", environ, ca_file=lambda _context: "")


@pytest.fixture(autouse=True)
def window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser would open in a window, whatever this machine has."""
    monkeypatch.setattr(browsers, "opens_window", lambda: True)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer whose library keeps a text in whatever vault it is given."""

    class Library:
        def __init__(self, account: Account, place: MemoryVault) -> None:
            self.account, self.place = account, place

        def sign_in(self) -> str:
            self.place.write(self.account.key, "cache")
            return "ada"

    def sign_in_of(account: Account, *, tell: object, vault: MemoryVault) -> Library:
        return Library(account, vault)

    monkeypatch.setattr(session, "sign_in_of", sign_in_of)


@pytest.mark.usefixtures("rest")
def test_first_time_the_gateway_is_asked_and_nothing_is_agreed(tmp_path: Path) -> None:
    plan = identity(tmp_path).plan("prod", URL, None)
    assert (plan.place, plan.account.client_id, plan.is_agreed) == ("https://idp.example", "terminal", False)
    assert plan.is_lasting is False
    assert plan.account.method is Method.BROWSER


@pytest.mark.usefixtures("rest")
def test_second_time_the_first_answer_counts_whatever_the_gateway_says_now(tmp_path: Path) -> None:
    known = Account(context="prod", gateway=URL, issuer="https://agreed.example", method=Method.DEVICE_CODE)
    Accounts(tmp_path / "accounts.json").put(known)
    kept = identity(tmp_path)
    plan = kept.plan("prod", URL, None)
    assert (plan.account, plan.is_agreed) == (known, True)
    assert kept.plan("prod", URL, Method.BROWSER).account.method is Method.BROWSER
    assert kept.plan("other", URL, None).is_agreed is False


@pytest.mark.usefixtures("rest")
def test_authority_that_the_context_names_now_counts(tmp_path: Path) -> None:
    Accounts(tmp_path / "accounts.json").put(Account(context="prod", gateway=URL, ca_file="/gone.pem"))
    here = KeptIdentity(tmp_path / "accounts.json", {}, ca_file=lambda _context: "/here.pem")
    assert here.plan("prod", URL, None).account.ca_file == "/here.pem"
    assert identity(tmp_path).plan("prod", URL, None).account.ca_file == "/gone.pem"


def test_gateway_behind_a_clusters_port_may_call_itself_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def discover(_url: str, *, is_forwarded: bool, **_rest: object) -> Offer:
        asked.append(is_forwarded)
        return OFFER

    monkeypatch.setattr(discovery, "discover", discover)
    here = KeptIdentity(tmp_path / "a", {}, ca_file=lambda _context: "", is_forwarded=lambda context: context == "led")
    here.plan("led", URL, None)
    here.plan("other", URL, None)
    assert asked == [True, False]


@pytest.mark.usefixtures("rest")
def test_without_a_window_for_a_browser_the_way_is_a_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsers, "opens_window", lambda: False)
    kept = identity(tmp_path)
    first = kept.plan("prod", URL, None)
    assert (first.account.method, first.opens_window) == (Method.DEVICE_CODE, False)
    with pytest.raises(AuthError, match=":login device-code"):
        kept.plan("prod", URL, Method.BROWSER)
    Accounts(tmp_path / "accounts.json").put(Account(context="prod", gateway=URL, method=Method.BROWSER))
    assert kept.plan("prod", URL, None).account.method is Method.DEVICE_CODE


@pytest.mark.usefixtures("issuer")
def test_sign_in_leaves_nothing_behind_until_it_is_kept(tmp_path: Path, rest: MemoryVault) -> None:
    kept = identity(tmp_path)
    account = kept.plan("prod", URL, None).account
    done = kept.sign_in(account, lambda _line: None)
    assert done.user == "ada"
    assert rest.read(account.key) is None
    assert kept.account("prod", URL) is None
    kept.keep(done)
    assert rest.read(account.key) == "cache"
    assert kept.account("prod", URL) == msgspec.structs.replace(account, username="ada")
    assert kept.sign_out("prod", URL)
    assert rest.read(account.key) is None
    assert not kept.sign_out("prod", URL)


def test_what_is_kept_is_not_shown_by_accident() -> None:
    from mcpdeck.tui.identity import SignedIn

    account = Account(context="prod", gateway=URL)
    assert "s3cret" not in repr(SignedIn("ada", account, {account.key: "s3cret"}))


def test_token_of_the_environment_is_noticed(tmp_path: Path) -> None:
    assert identity(tmp_path, MCPDECK_TOKEN="x").is_given
    assert not identity(tmp_path).is_given


def test_accounts_and_their_tokens_are_two_things(tmp_path: Path, rest: MemoryVault) -> None:
    """The accounts file alone opens nothing."""
    Accounts(tmp_path / "accounts.json").put(Account(context="prod", gateway=URL, issuer="https://idp.example"))
    source = session.source_of("prod", URL, {}, Accounts(tmp_path / "accounts.json"))
    assert source is not None
    with pytest.raises(SignInNeeded):
        source.token()
    assert msgspec.json.decode((tmp_path / "accounts.json").read_bytes())[0].keys() == {"context", "gateway", "issuer"}
