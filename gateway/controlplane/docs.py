"""The OpenAPI document as one page for people: no script, nothing from elsewhere, light and dark. Knows no route."""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

import msgspec

type Json = dict[str, Any]

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}

_STYLE: Final = """
:root { color-scheme: light dark; --ink: light-dark(#1d2433, #e4e8f1); --soft: light-dark(#5d6781, #98a2ba);
  --paper: light-dark(#fbfbfd, #12151d); --card: light-dark(#fff, #191d28); --line: light-dark(#e3e6ee, #2a3040);
  --get: light-dark(#1f6f54, #6fd3ab); --post: light-dark(#2a56b8, #8fb2ff); --put: light-dark(#8a5a00, #f0c068);
  --delete: light-dark(#a8322d, #ff938b); --accent: light-dark(#5b45c9, #b3a4ff);
  --mono: ui-monospace, "Cascadia Code", Menlo, Consolas, monospace }
* { box-sizing: border-box }
html { scroll-padding-top: 1.5rem }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
.page { max-width: 76rem; margin: 0 auto; padding: 3rem 1.25rem 6rem; display: grid; gap: 3rem;
  grid-template-columns: 13rem minmax(0, 1fr) }
nav { position: sticky; top: 2rem; align-self: start; max-height: calc(100vh - 4rem); overflow: auto; font-size: .9rem }
nav a { display: block; padding: .2rem 0; color: var(--soft); text-decoration: none }
nav a:hover, nav a:focus { color: var(--accent) }
nav strong, h4 { font-size: .75rem; text-transform: uppercase; letter-spacing: .08em }
nav strong { display: block; margin: 1.2rem 0 .3rem } nav strong:first-child { margin-top: 0 }
h1 { margin: 0; font-size: 2rem; letter-spacing: -.02em }
h1 small { font-size: .9rem; color: var(--soft); font-weight: 400; letter-spacing: 0 }
h2 { margin: 3rem 0 .25rem; font-size: 1.3rem } h2::first-letter { text-transform: uppercase }
h4 { margin: 1.2rem 0 .4rem; color: var(--soft) }
p { max-width: 46rem } .soft, dd, td { color: var(--soft) }
code, .path { font-family: var(--mono); font-size: .9em }
p code, dd code, td code { background: var(--line); padding: .1em .3em; border-radius: .3em }
details { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; margin: .6rem 0 }
details:has(:target) { border-color: var(--accent) }
summary { display: flex; flex-wrap: wrap; gap: .25rem .9rem; align-items: baseline; padding: .7rem 1rem;
  cursor: pointer; list-style: none; border-radius: .6rem }
summary::-webkit-details-marker { display: none }
summary:hover { background: color-mix(in srgb, var(--accent) 6%, transparent) }
summary .soft { margin-left: auto; font-size: .9rem }
.method { min-width: 4.2rem; font: 700 .78rem var(--mono); letter-spacing: .04em }
.get { color: var(--get) } .post { color: var(--post) } .put, .patch { color: var(--put) }
.delete { color: var(--delete) }
.inside { scroll-margin-top: 5rem; padding: .2rem 1rem 1rem; border-top: 1px solid var(--line) }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .25rem 1.2rem; margin: 0 } dd { margin: 0 }
table { border-collapse: collapse; width: 100%; font-size: .92rem }
td { padding: .3rem .8rem .3rem 0; vertical-align: top; border-top: 1px solid var(--line) }
tr:first-child td { border: 0 } td:first-child { color: var(--ink) }
a { color: var(--accent) }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: .3rem }
@media (max-width: 52rem) {
  .page { grid-template-columns: minmax(0, 1fr); gap: 1rem; padding-top: 1.5rem }
  nav { position: static; max-height: 12rem }
  summary .soft { margin-left: 0; flex-basis: 100% }
  dl { grid-template-columns: minmax(0, 1fr) } dd { margin-bottom: .4rem }
}
"""


def page(document: Json) -> str:
    info = document["info"]
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body><div class=page>"
    )
    return "".join((head, *_navigation(document), "<main>", *_main(document), "</main></div></body></html>"))


def _navigation(document: Json) -> Iterator[str]:
    yield "<nav aria-label=Contents>"
    for tag in document["tags"]:
        yield f"<strong>{escape(tag['name'])}</strong>"
        for path, method, operation in _operations(document, tag["name"]):
            title = f"{method.upper()} {path}"
            yield f'<a href="#{operation["operationId"]}" title="{escape(title)}">{escape(operation["summary"])}</a>'
    yield "<strong>Types</strong>"
    yield from (f'<a href="#{escape(name)}">{escape(name)}</a>' for name in document["components"]["schemas"])
    yield "</nav>"


def _main(document: Json) -> Iterator[str]:
    info = document["info"]
    yield f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
    yield from (f"<p>{_text(paragraph)}</p>" for paragraph in info["description"].split("\n\n"))
    yield '<p><a href="/openapi.json">openapi.json</a></p>'
    for tag in document["tags"]:
        yield f"<section><h2>{escape(tag['name'])}</h2><p class=soft>{_text(tag['description'])}</p>"
        for path, method, operation in _operations(document, tag["name"]):
            yield from _operation(path, method, operation)
        yield "</section>"
    yield "<section><h2>Types</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield from _type(name, schema)
    yield "</section>"


def _operations(document: Json, tag: str) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield path, method, operation


def _operation(path: str, method: str, operation: Json) -> Iterator[str]:
    yield f'<details><summary><span class="method {method}">{method.upper()}</span>'
    yield f"<span class=path>{escape(path)}</span><span class=soft>{escape(operation['summary'])}</span></summary>"
    yield f'<div class=inside id="{operation["operationId"]}">'  # inside: going there opens it
    yield f"<p>{_text(operation.get('description') or operation['summary'])}</p>"
    if operation["parameters"]:
        yield "<h4>Parameters</h4><dl>"
        for each in operation["parameters"]:
            yield f"<dt><code>{escape(each['name'])}</code> <span class=soft>{each['in']}</span></dt>"
            yield f"<dd>{_text(each.get('description', ''))}</dd>"
        yield "</dl>"
    if "requestBody" in operation:
        yield f"<h4>Body</h4><p>{_content(operation['requestBody']['content'])}</p>"
    yield "<h4>Answers</h4><table>"
    for status, answer in operation["responses"].items():
        yield f"<tr><td><code>{status}</code></td><td>{_text(answer['description'])}</td>"
        yield f"<td>{_content(answer.get('content', {}))}</td></tr>"
    yield "</table></div></details>"


def _type(name: str, schema: Json) -> Iterator[str]:
    yield f'<details><summary><span class=path>{escape(name)}</span></summary><div class=inside id="{escape(name)}">'
    yield from (f"<p>{_text(paragraph)}</p>" for paragraph in schema.get("description", "").split("\n\n"))
    if values := schema.get("enum"):
        yield f"<p>{', '.join(f'<code>{escape(str(value))}</code>' for value in values)}</p>"
    yield "<table>"
    for field, detail in schema.get("properties", {}).items():
        needed = "required" if field in schema.get("required", ()) else _default(detail)
        yield f"<tr><td><code>{escape(field)}</code></td><td>{_kind(detail)}</td><td>{needed}</td></tr>"
    yield "</table></div></details>"


def _default(schema: Json) -> str:
    default = schema.get("default")
    if default == "" or not isinstance(default, bool | int | float | str):
        return ""
    return f"<code>{escape(msgspec.json.encode(default).decode().strip('"'))}</code>"


def _content(content: Json) -> str:
    return ", ".join(f"<code>{escape(media)}</code> {_kind(each['schema'])}" for media, each in content.items())


def _kind(schema: Json) -> str:
    """A schema in a few words, with links to the types it is made of."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_kind(schema['additionalProperties'])}"
    return escape(str(schema.get("format", schema.get("type", "anything"))))


def _text(text: str) -> str:
    """Escaped, with `words` as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
