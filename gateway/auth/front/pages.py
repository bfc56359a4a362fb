"""The two pages that people see: consent, and sorry. No script, nothing from elsewhere, in nobody's frame."""

import html
from typing import Final

from gateway.auth.front.flow import Ask, Sorry

HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui;max-width:34em;margin:4em auto;padding:0 1em}button{font:inherit;padding:.4em 1em}"
)


def consent(ask: Ask) -> str:
    name = _text(ask.client_name) or "A program without a name"
    lines = "".join(f"<li>{_text(line)}</li>" for line in ask.lines)
    return _page(
        "Allow this program?",
        f"<p><strong>{name}</strong> wants to use <strong>{_text(ask.resource)}</strong> as you.</p><ul>{lines}</ul>"
        f'<form method="post" action="/oauth/consent"><input type="hidden" name="ticket" value="{_text(ask.ticket)}">'
        '<button name="decision" value="deny" autofocus>Refuse</button> '
        '<button name="decision" value="allow">Allow and sign in</button></form>',
    )


def sorry(sorry: Sorry) -> str:
    return _page("This sign-in can't go on", f"<p>{_text(sorry.reason)}</p>")


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1>{body}</html>"
    )


def _text(value: str) -> str:
    return html.escape(value, quote=True)
