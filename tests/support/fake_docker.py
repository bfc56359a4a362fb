"""Stands for docker's command line: `run` keeps a server of its own beside the client, as the daemon would.

Its state lies in DOCKER_CONFIG: `NAME.json` for each container (argv, environment, pid). An image named `…/broken` exits
at once with words; `DOCKER_BROKEN` makes every command fail. Standard library only.
"""

import http.server
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ.get("DOCKER_CONFIG", "/nowhere"))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        is_right = asked["method"] == "initialize" and self.path == "/serve/mcp"
        result = {"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-11-25", "capabilities": {}}}
        body = json.dumps(result).encode() if is_right else b""
        self.send_response(200 if is_right else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def flags(argv: list[str], name: str) -> list[str]:
    prefix = f"--{name}="
    return [each.removeprefix(prefix) for each in argv if each.startswith(prefix)]


def run(argv: list[str]) -> int:
    name = argv[argv.index("--name") + 1]
    if any(each.endswith("/broken:1") for each in argv):
        print("manifest unknown: no such image", file=sys.stderr)
        return 125
    port = flags(argv, "publish")[0].split(":")[1]
    given = {each: os.environ[each] for each in flags(argv, "env")}
    container = subprocess.Popen([sys.executable, __file__, "serve", port], env=given, start_new_session=True)
    told = {"argv": argv, "environment": given, "pid": container.pid, "client": dict(os.environ)}
    (STATE / f"{name}.json").write_text(json.dumps(told))
    print(f"container {name} runs", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: container.terminate())
    status = container.wait()
    (STATE / f"{name}.json").unlink(missing_ok=True)
    return abs(status)


def remove(argv: list[str]) -> int:
    for name in argv[1:]:
        found = STATE / f"{name}.json"
        if found.exists():
            os.kill(json.loads(found.read_text())["pid"], signal.SIGKILL)
            found.unlink(missing_ok=True)
        else:
            print(f"Error: No such container: {name}", file=sys.stderr)
    return 0


def listing(argv: list[str]) -> int:
    wanted = flags(argv, "filter")[0].removeprefix("label=")
    for each in sorted(STATE.glob("*.json")):
        if f"--label={wanted}" in json.loads(each.read_text())["argv"]:
            print(each.stem)
    return 0


def main() -> int:
    verb, *argv = sys.argv[1:]
    if os.environ.get("DOCKER_BROKEN"):
        print("Client: Docker\nCannot connect to the Docker daemon", file=sys.stderr)
        return 1
    match verb:
        case "version":
            return 0
        case "run":
            return run(argv)
        case "rm":
            return remove(argv)
        case "ps":
            return listing(argv)
        case "serve":
            http.server.HTTPServer(("127.0.0.1", int(argv[0])), Handler).serve_forever()
        case "hang":
            time.sleep(3600)
    return 2


if __name__ == "__main__":
    sys.exit(main())
