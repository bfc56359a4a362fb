"""The local issuer's HTTP: discovery, keys, authorization, device and token endpoints, at the paths Entra ID has.

No password is asked for and any client on this machine is served: it listens on loopback, and its tokens are worth
something only to a gateway that was told to trust it.
"""

import base64
import html
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from quart import Quart, Response, request

from mcpdeck.devissuer.grants import Grant, GrantError, Grants
from mcpdeck.devissuer.tokens import Minter, User

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Issuer:
    """One tenant's issuer. `auto`: who signs in without being asked, for tests and scripts; None asks with a page."""

    def __init__(
        self,
        base: str,
        minter: Minter,
        users: Sequence[User],
        *,
        secrets_of: Mapping[str, str] | None = None,
        auto: str | None = None,
    ) -> None:
        self.base, self.minter, self.auto = base, minter, auto
        self.users = {user.name: user for user in users}
        self.secrets_of = dict(secrets_of or {})
        self.grants = Grants()
        self.registered: dict[str, list[str]] = {}

    def metadata(self) -> dict[str, Any]:
        oauth = f"{self.base}/{self.minter.tenant}/oauth2/v2.0"
        return {
            "issuer": self.minter.issuer,
            "authorization_endpoint": f"{oauth}/authorize",
            "token_endpoint": f"{oauth}/token",
            "device_authorization_endpoint": f"{oauth}/devicecode",
            "registration_endpoint": f"{oauth}/register",
            "jwks_uri": f"{self.base}/{self.minter.tenant}/discovery/v2.0/keys",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:device_code",
                "urn:ietf:params:oauth:grant-type:token-exchange",
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
            ],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
            "scopes_supported": ["openid", "profile", "offline_access"],
            "authorization_response_iss_parameter_supported": True,
        }

    def granted(self, form: Mapping[str, str], authorization: Any) -> dict[str, Any]:
        """The token endpoint's answer. Raises GrantError."""
        client_id = form.get("client_id") or (authorization.username if authorization else "") or ""
        # A federated client's assertion is compared as a secret is: enough for a trial, and nothing more.
        given = form.get("client_secret") or form.get("client_assertion")
        secret = given or (authorization.password if authorization else "") or ""
        if client_id in self.secrets_of and not secrets.compare_digest(self.secrets_of[client_id], secret):
            raise GrantError("invalid_client")
        match form.get("grant_type"):
            case "authorization_code":
                grant = self.grants.redeem_code(
                    form.get("code", ""),
                    client_id=client_id,
                    redirect_uri=form.get("redirect_uri", ""),
                    verifier=form.get("code_verifier", ""),
                )
            case "refresh_token":
                grant = self.grants.redeem_refresh(form.get("refresh_token", ""), client_id=client_id)
            case "urn:ietf:params:oauth:grant-type:device_code" | "device_code":
                code = form.get("device_code") or form.get("code", "")
                grant = self.grants.redeem_device(code, client_id=client_id)
            case "client_credentials":
                if client_id not in self.secrets_of:
                    raise GrantError("unauthorized_client")
                aud = form.get("audience") or form.get("resource") or self.minter.audience
                return self._answer(self.minter.access_token(None, client_id, (), aud=aud))
            case "urn:ietf:params:oauth:grant-type:token-exchange":
                return self._exchanged(form.get("subject_token", ""), client_id, form)
            case "urn:ietf:params:oauth:grant-type:jwt-bearer":
                return self._exchanged(form.get("assertion", ""), client_id, form)
            case _:
                raise GrantError("unsupported_grant_type")
        return self._for_user(grant)

    def _exchanged(self, subject: str, client_id: str, form: Mapping[str, str]) -> dict[str, Any]:
        """A token for somebody else's API, in a user's name and by a client that acts for them (RFC 8693)."""
        if client_id not in self.secrets_of:
            raise GrantError("unauthorized_client")
        try:
            user = self.users[str(self.minter.signer.verified(subject).get("sub", ""))]
        except (ValueError, KeyError) as error:
            raise GrantError("invalid_grant") from error
        wanted = form.get("audience") or form.get("resource") or form.get("scope", "").rpartition("/")[0]
        said = {"aud": wanted or self.minter.audience, "act": {"sub": client_id}}
        token = self.minter.access_token(user, client_id, tuple(form.get("scope", "").split()), **said)
        return self._answer(token) | {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}

    def _for_user(self, grant: Grant) -> dict[str, Any]:
        wanted = tuple(each for each in grant.scopes if each not in ("openid", "profile", "offline_access", "email"))
        answer = self._answer(self.minter.access_token(grant.user, grant.client_id, wanted))
        info = json.dumps({"uid": grant.user.oid, "utid": self.minter.tenant}).encode()
        return answer | {
            "scope": " ".join(grant.scopes),
            "refresh_token": self.grants.refresh_token(grant),
            "id_token": self.minter.id_token(grant.user, grant.client_id, grant.nonce),
            "client_info": base64.urlsafe_b64encode(info).rstrip(b"=").decode(),
        }

    def _answer(self, token: str) -> dict[str, Any]:
        return {"token_type": "Bearer", "access_token": token, "expires_in": self.minter.lifetime}

    def may_redirect(self, client_id: str, uri: str) -> bool:
        """Registered to the letter, or a native application on this machine at any port (RFC 8252, section 7.3)."""
        parts = urlsplit(uri)
        return uri in self.registered.get(client_id, ()) or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def make_app(issuer: Issuer) -> Quart:
    app = Quart("mcpdeck.devissuer")
    tenant = issuer.minter.tenant
    _serve_discovery(app, issuer, tenant)
    _serve_sign_in(app, issuer, tenant)
    _serve_tokens(app, issuer, tenant)

    @app.after_request
    async def close(answer: Response) -> Response:
        answer.headers["Connection"] = "close"  # no idle TLS connection holds up the end
        return answer

    return app


def _serve_discovery(app: Quart, issuer: Issuer, tenant: str) -> None:
    @app.get(f"/{tenant}/v2.0/.well-known/openid-configuration")
    @app.get(f"/.well-known/openid-configuration/{tenant}/v2.0")
    @app.get(f"/.well-known/oauth-authorization-server/{tenant}/v2.0")
    async def metadata() -> dict[str, Any]:
        return issuer.metadata()

    @app.get(f"/{tenant}/discovery/v2.0/keys")
    async def keys() -> dict[str, Any]:
        return issuer.minter.signer.published()

    @app.post(f"/{tenant}/oauth2/v2.0/register")
    async def register() -> tuple[dict[str, Any], int]:
        wanted = await request.get_json()
        client_id = f"registered-{secrets.token_hex(8)}"
        issuer.registered[client_id] = [str(uri) for uri in wanted.get("redirect_uris", [])]
        return {**wanted, "client_id": client_id, "token_endpoint_auth_method": "none"}, 201


def _serve_sign_in(app: Quart, issuer: Issuer, tenant: str) -> None:
    @app.route(f"/{tenant}/oauth2/v2.0/authorize", methods=["GET", "POST"])
    async def authorize() -> Response:
        asked = request.args if request.method == "GET" else await request.form
        client_id, redirect_uri = asked.get("client_id", ""), asked.get("redirect_uri", "")
        if not issuer.may_redirect(client_id, redirect_uri):
            return _page("This redirect URI is not known here.", status=400)  # never redirect to an unknown one
        if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
            return _back(asked, {"error": "invalid_request", "error_description": "code with PKCE S256 only"}, issuer)
        chosen = (asked.get("user") if request.method == "POST" else None) or issuer.auto
        if chosen is None:
            return _choice(issuer, dict(asked))
        if chosen not in issuer.users:
            return _back(asked, {"error": "access_denied"}, issuer)
        grant = Grant(
            issuer.users[chosen],
            client_id,
            tuple(asked.get("scope", "").split()),
            redirect_uri,
            asked.get("code_challenge", ""),
            asked.get("nonce", ""),
        )
        return _back(asked, {"code": issuer.grants.code(grant)}, issuer)

    @app.route("/device", methods=["GET", "POST"])
    async def device() -> Response:
        if request.method == "GET":
            return _choice(issuer, {"user_code": request.args.get("user_code", "")}, ask_code=True)
        form = await request.form
        waiting = issuer.grants.waiting_device(form.get("user_code", ""))
        if waiting is None:
            return _page("No device waits with this code.", status=404)
        waiting.user = issuer.users.get(form.get("user", ""))
        waiting.is_denied = waiting.user is None
        return _page("Signed in. You may close this window." if waiting.user else "Refused.")


def _serve_tokens(app: Quart, issuer: Issuer, tenant: str) -> None:
    @app.post(f"/{tenant}/oauth2/v2.0/token")
    async def token() -> tuple[dict[str, Any], int, dict[str, str]]:
        try:
            return issuer.granted(await request.form, request.authorization), 200, {"Cache-Control": "no-store"}
        except GrantError as error:
            status = 401 if str(error) == "invalid_client" else 400
            return {"error": str(error), "error_description": str(error)}, status, {"Cache-Control": "no-store"}

    @app.post(f"/{tenant}/oauth2/v2.0/devicecode")
    async def devicecode() -> dict[str, Any]:
        form = await request.form
        code, waiting = issuer.grants.device(form.get("client_id", ""), tuple(form.get("scope", "").split()))
        if issuer.auto is not None:
            waiting.user = issuer.users[issuer.auto]
        page = f"{issuer.base}/device"
        return {
            "device_code": code,
            "user_code": waiting.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={waiting.user_code}",
            "expires_in": 300,
            "interval": 1,
            "message": f"Open {page} and enter the code {waiting.user_code}",
        }


def _back(asked: Mapping[str, str], answer: dict[str, str], issuer: Issuer) -> Response:
    """To the client, by redirect or self-posting form, with RFC 9207's `iss`."""
    said = answer | {"iss": issuer.minter.issuer} | ({"state": asked["state"]} if "state" in asked else {})
    uri = asked["redirect_uri"]
    if asked.get("response_mode") == "form_post":
        inputs = "".join(f'<input type="hidden" name="{_text(k)}" value="{_text(v)}">' for k, v in said.items())
        body = f'<form method="post" action="{_text(uri)}">{inputs}<button>Continue</button></form>'
        return _page(f"{body}<script>document.forms[0].submit()</script>", is_markup=True)
    joint = "&" if urlsplit(uri).query else "?"
    return Response(status=302, headers={"Location": f"{uri}{joint}{urlencode(said)}", "Cache-Control": "no-store"})


def _choice(issuer: Issuer, kept: dict[str, str], *, ask_code: bool = False) -> Response:
    hidden = "".join(
        f'<input type="hidden" name="{_text(name)}" value="{_text(value)}">'
        for name, value in kept.items()
        if not (ask_code and name == "user_code")
    )
    code = f'<p>Code <input name="user_code" value="{_text(kept.get("user_code", ""))}"></p>' if ask_code else ""
    buttons = "".join(
        f'<p><button name="user" value="{_text(user.name)}">{_text(user.name)}</button> '
        f"{_text(', '.join(user.roles) or 'no roles')}</p>"
        for user in issuer.users.values()
    )
    return _page(f'<h1>Sign in as</h1><form method="post">{hidden}{code}{buttons}</form>', is_markup=True)


def _page(content: str, *, status: int = 200, is_markup: bool = False) -> Response:
    body = content if is_markup else f"<p>{_text(content)}</p>"
    document = f"<!doctype html><meta charset=utf-8><title>mcpdeck dev-issuer</title>{body}"
    return Response(document, status=status, headers={"X-Frame-Options": "DENY", "Cache-Control": "no-store"})


def _text(value: str) -> str:
    return html.escape(value, quote=True)
