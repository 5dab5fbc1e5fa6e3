"""What a web framework costs a call: Starlette, FastAPI and Litestar, measured in alternation.

    python -m venv /tmp/frameworks
    /tmp/frameworks/bin/pip install starlette fastapi litestar uvicorn uvloop httptools msgspec
    /tmp/frameworks/bin/python bench/frameworks.py

FastAPI and Litestar are no dependencies of the product, so the measurement has an environment of
its own. Every framework answers the same call of ten recipients with ten numbers, reading the
body as bytes, because the contract's reader needs them.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastapi
import litestar
import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

NAMES = ("starlette", "fastapi", "litestar")
ROUNDS = 7
CALLS = 8_000
CONNECTIONS = 16
STARTS_WITHIN_S = 20.0
PATH = "/v3.7/mailing/trigger"
BODY = json.dumps(
    [
        {"email": f"user{i}@example.com", "firstName": "John", "context": f"XYZ-{i}"}
        for i in range(10)
    ]
).encode()
REQUEST = (
    f"PUT {PATH}?orgid=2&mid=1 HTTP/1.1\r\nHost: localhost\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY


def starlette_app() -> Any:
    async def trigger(request: Request) -> Response:
        orgid, mid = int(request.query_params["orgid"]), int(request.query_params["mid"])
        entries = msgspec.json.decode(await request.body())
        ids = [orgid + mid + index for index in range(len(entries))]
        return Response(msgspec.json.encode(ids), media_type="application/json")

    return Starlette(routes=[Route(PATH, trigger, methods=["PUT", "POST"])])


def fastapi_app() -> Any:
    app = fastapi.FastAPI()

    # Annotations are evaluated by FastAPI, in the names of this module.
    async def trigger(request: fastapi.Request, orgid: int, mid: int) -> fastapi.Response:
        entries = msgspec.json.decode(await request.body())
        ids = [orgid + mid + index for index in range(len(entries))]
        return fastapi.Response(msgspec.json.encode(ids), media_type="application/json")

    app.api_route(PATH, methods=["PUT", "POST"], response_class=fastapi.Response)(trigger)
    return app


def litestar_app() -> Any:
    async def trigger(
        request: litestar.Request[Any, Any, Any], orgid: int, mid: int
    ) -> litestar.Response[bytes]:
        entries = msgspec.json.decode(await request.body())
        ids = [orgid + mid + index for index in range(len(entries))]
        return litestar.Response(msgspec.json.encode(ids), media_type="application/json")

    handler = litestar.route(PATH, http_method=["PUT", "POST"], status_code=200)(trigger)
    return litestar.Litestar([handler])


def serve(name: str, port: int) -> None:

    apps = {"starlette": starlette_app, "fastapi": fastapi_app, "litestar": litestar_app}
    uvicorn.run(
        apps[name](),
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


def cpu_s(pid: int) -> float:
    """Return the CPU time of the process *pid* so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def caller(port: int, calls: int) -> None:
    """Make *calls* calls on one connection, one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(calls):
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        assert len(json.loads(await reader.readexactly(length))) == 10
    writer.close()


async def load(port: int, calls: int) -> None:
    each = calls // CONNECTIONS
    await asyncio.gather(*(caller(port, each) for _ in range(CONNECTIONS)))


def measure(port: int, pid: int, calls: int) -> tuple[float, float]:
    """Return calls a second and the server's CPU microseconds a call."""

    cpu, start = cpu_s(pid), time.perf_counter()
    uvloop.run(load(port, calls))
    seconds = time.perf_counter() - start
    return calls / seconds, (cpu_s(pid) - cpu) / calls * 1e6


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},", end=""
    )
    print(*(f" {name} {version(name)}" for name in (*NAMES, "uvicorn", "uvloop", "httptools")))
    servers = {}
    try:
        for number, name in enumerate(NAMES):
            port = 18_400 + number
            command = [sys.executable, __file__, "serve", name, str(port)]
            servers[name] = (port, subprocess.Popen(command))
        deadline = time.monotonic() + STARTS_WITHIN_S
        for port, _ in servers.values():
            while not listening(port):
                assert time.monotonic() < deadline, "a server did not start"
                time.sleep(0.05)
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
        for number in range(ROUNDS + 1):
            for name, (port, process) in servers.items():
                figure = measure(port, process.pid, CALLS)
                if number:  # the first round warms up
                    figures[name].append(figure)
    finally:
        for _, process in servers.values():
            process.terminate()
            process.wait(10)
    print(
        f"{ROUNDS} rounds of {CALLS} calls of 10 recipients on {CONNECTIONS} connections; medians"
    )
    for name in NAMES:
        rate = statistics.median(rate for rate, _ in figures[name])
        cpu = statistics.median(cpu for _, cpu in figures[name])
        # Ratios within a round: what the machine did meanwhile it did to both.
        ratios = [
            mine[1] / theirs[1]
            for mine, theirs in zip(figures[name], figures["starlette"], strict=True)
        ]
        print(
            f"{name:10} {rate:7.0f} calls/s  {cpu:5.0f} us CPU a call  "
            f"{statistics.median(ratios):.2f} x Starlette ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
