"""`python -m tests.support.faulty_server [--port N]`: a legacy MCP server that fails as the arguments of a call say.

Takes any session id for one of its own, so that what is lost is lost by who stands before it. Raw sockets, so that a
fault is the one that is meant.
"""

import argparse
import asyncio
import itertools
import json
import socket
import struct

_LINGER_NONE = struct.pack("ii", 1, 0)
_numbers = itertools.count()


class Failed(Exception):
    """The connection is over."""


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            await _answer(lines[0].split(" ")[0], headers, body, writer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, Failed):
        pass
    finally:
        writer.close()


async def _answer(method: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> None:
    if method == "GET":
        _stream(writer)
        writer.write(b"b\r\n: open   \n\n\r\n")
        await asyncio.sleep(3600)
    message = json.loads(body) if body else {}
    called = message.get("method", "")
    if method != "POST" or "id" not in message:
        writer.write(
            b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % (b"200 OK" if method == "DELETE" else b"202 Accepted")
        )
    elif called == "initialize":
        info = {"name": "faulty", "version": "1"}
        result = {
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": info,
        }
        _json(writer, message["id"], {"result": result}, f"Mcp-Session-Id: s-{next(_numbers)}\r\n")
    elif called == "tools/call":
        fault = message["params"].get("arguments", {}).get("fault", "")
        await _fail(fault, message["id"], writer)
    elif called in ("ping", "tools/list"):
        _json(writer, message["id"], {"result": {"tools": []} if called == "tools/list" else {}})
    else:
        _json(writer, message["id"], {"error": {"code": -32601, "message": "Method not found"}})


async def _fail(fault: str, number: object, writer: asyncio.StreamWriter) -> None:
    match fault:
        case "mid-json":
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"jsonrpc":')
            await writer.drain()
            raise Failed
        case "mid-sse":
            _stream(writer)
            writer.write(b"a\r\ndata: {}\n\n\r\n")
            await writer.drain()
            raise Failed
        case "before the first byte":
            raise Failed
        case "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            writer.transport.abort()
            raise Failed
        case "half-closed":
            writer.write_eof()
            await asyncio.sleep(3600)
        case "hung":
            await asyncio.sleep(3600)
        case "slow":
            for byte in _whole(number, {"result": {"content": []}}):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.002)
        case "busy":
            await asyncio.sleep(0.5)
            _json(writer, number, {"result": {"content": []}})
        case _:
            _json(writer, number, {"result": {"content": []}})


def _stream(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")


def _json(writer: asyncio.StreamWriter, number: object, said: dict[str, object], more: str = "") -> None:
    writer.write(_whole(number, said, more))


def _whole(number: object, said: dict[str, object], more: str = "") -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": number} | said).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port, reuse_address=True, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(main(parser.parse_args().port))
