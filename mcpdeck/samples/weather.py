"""A stdio MCP server with a handshake (up to 2025-11-25): forecasts that are made up, but always the same for a day."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from mcpdeck.samples.lines import RpcError, log, serve, text_result, tool

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
CITIES = {"oslo": 4, "bergen": 7, "tromsø": -2, "berlin": 9, "lisbon": 17, "nairobi": 24, "kyoto": 13}  # mean, in °C
SKIES = ("clear", "some clouds", "overcast", "rain", "heavy rain", "snow showers", "fog")
TOOLS = [
    tool(
        "get_forecast",
        "The weather of the coming days in a city.",
        ("city",),
        city={"type": "string", "description": ", ".join(CITIES)},
        days={"type": "integer", "minimum": 1, "maximum": 7, "default": 3},
    ),
    tool("get_alerts", "Warnings for a city.", ("city",), city={"type": "string"}),
]


def handle(method: str, params: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "initialize":
            return _initialize(params)
        case "ping" | "logging/setLevel" | "notifications/initialized" | "notifications/cancelled":
            return {}
        case "tools/list":
            return {"tools": TOOLS}
        case "tools/call":
            return _call(params.get("name", ""), params.get("arguments") or {})
        case _:
            raise RpcError(-32601, f"no method {method!r}")


def _initialize(params: dict[str, Any]) -> dict[str, Any]:
    asked = params.get("protocolVersion")
    client = params.get("clientInfo") or {}
    log("INFO", f"session opened by {client.get('name', 'somebody')} {client.get('version', '')}".rstrip())
    return {
        "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "sample-weather", "version": "1.0.0"},
        "instructions": "Forecasts of the sample are made up.",
    }


def _call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    city = str(arguments.get("city", ""))
    if name not in {each["name"] for each in TOOLS}:
        raise RpcError(-32602, f"no tool {name!r}")
    if city.lower() not in CITIES:
        log("WARN", f"tools/call {name} city={city!r}: not known")
        return text_result(f"no city {city!r} is known; there are {', '.join(CITIES)}", is_error=True)
    days = arguments.get("days", 3)
    if not isinstance(days, int) or not 1 <= days <= 7:
        return text_result(f"days is {days!r}, and must be 1 to 7", is_error=True)
    log("INFO", f"tools/call {name} city={city} days={days}")
    forecast = [_day(city, offset) for offset in range(days)]
    if name == "get_alerts":
        bad = [day["date"] for day in forecast if day["sky"] in ("heavy rain", "fog")]
        return text_result(f"{city}: take care on {', '.join(bad)}" if bad else f"{city}: no warnings")
    lines = [f"{day['date']}  {day['celsius']:>3} °C  {day['sky']}" for day in forecast]
    return text_result("\n".join(lines), structured={"city": city, "days": forecast})


def _day(city: str, offset: int) -> dict[str, Any]:
    date = f"{datetime.now(UTC) + timedelta(days=offset):%Y-%m-%d}"
    dice = hashlib.sha256(f"{city.lower()} {date}".encode()).digest()
    return {"date": date, "celsius": CITIES[city.lower()] + dice[0] % 9 - 4, "sky": SKIES[dice[1] % len(SKIES)]}


if __name__ == "__main__":
    log("INFO", "sample-weather is up")
    serve(handle)
