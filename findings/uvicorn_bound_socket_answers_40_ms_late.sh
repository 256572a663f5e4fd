#!/usr/bin/env bash
# uvicorn 0.54.0 on Python 3.11 (asyncio), Linux: a server that is given the socket of uvicorn's own Config.bind_socket() takes
# 40 ms longer for each answer than the same server with a host and a port.
# Seen: asyncio sets TCP_NODELAY on accepted connections only where socket.proto is IPPROTO_TCP. bind_socket() makes its socket
# without a protocol, which is 0, and accepted ones inherit that. Head and body of an answer are two writes, so the body waits
# until the client acknowledges the head, and a client acknowledges late (40 ms). 100 requests on one kept connection:
# median 0.3 ms by host and port, 44 ms by bind_socket(), 0.2 ms with TCP_NODELAY set on the listening socket.
# Expected: how the port was bound changes no answer's time. uvicorn binds so for several workers and with --reload, and whoever
# wants to know the port of port=0 before the server runs does too.
# It meets whoever serves single scores: of 52 ms a score here 40 were this.
# What we do: the listening socket has TCP_NODELAY (service/server.py), which connections inherit on Linux.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uvicorn==0.54.0
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import http.client
import socket
import statistics
import threading
import time

import uvicorn


async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def median_ms(server, port, sockets=None):
    threading.Thread(target=server.run, args=(sockets,), daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    client, took = http.client.HTTPConnection("127.0.0.1", port), []
    for _ in range(100):
        begun = time.perf_counter()
        client.request("POST", "/", b"{}")
        assert client.getresponse().read() == b"ok"
        took.append((time.perf_counter() - begun) * 1000)
    client.close()
    server.should_exit = True
    return statistics.median(took)


def config(port=0):
    return uvicorn.Config(app, host="127.0.0.1", port=port, lifespan="off", log_config=None)


with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
plain = median_ms(uvicorn.Server(config(port)), port)
found = {}
for name, nodelay in (("bind_socket()", 0), ("the same with TCP_NODELAY", 1)):
    given = config()
    bound = given.bind_socket()
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
    found[name] = median_ms(uvicorn.Server(given), bound.getsockname()[1], [bound])
print(f"uvicorn {uvicorn.__version__}, 100 requests on one connection, median")
print(f"host and port: {plain:.1f} ms")
for name, took in found.items():
    print(f"{name}: {took:.1f} ms")
late, prompt = found.values()
assert late > 30 > 10 > max(plain, prompt), "the behaviour changed"
PYTHON
