"""A small HTTP/1.1 server for stubs: it can be slow, silent and rude on demand, and costs its host next to nothing.

Requests are handled as they arrive, without a task each: about 50 µs of one core for a call. Only what clients of JSON APIs
send is understood: a body with a `Content-Length`, connections kept alive, one request at a time on each.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self

START_S: Final = 10.0


@dataclass(slots=True)
class Answer:
    """What a request gets.

    Attributes:
        body: As JSON; bytes are sent as they are.
        status: The HTTP status.
        headers: Beside the usual ones.
        manner: `stall`: nothing is ever sent; `drop`: the connection is closed instead; `cut`: in the middle of the body.
    """

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Literal["plain", "stall", "drop", "cut"] = "plain"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked.

    Attributes:
        method: Such as `POST`.
        path: Such as `/v1/embeddings`.
        headers: Names in lower case.
        body: The JSON; None if there was none.
        at: Seconds on the monotonic clock.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    at: float


class HttpServer:
    """Listens on loopback, on a thread of its own. A context manager.

    Args:
        answer: Called with every request, on the server's thread.
        latency_s: Seconds from a request to its answer.
        port: Where to listen; 0 for any free port.

    Attributes:
        busy: Requests that wait for their answer at this moment.
        most_busy: The most that ever did.
        accepted: Connections there ever were.
        connections: Those that are open.
    """

    def __init__(self, answer: Callable[[Request], Answer], latency_s: float = 0.0, port: int = 0) -> None:
        self.answer = answer
        self.latency_s = latency_s
        self.port = port
        self.busy = self.most_busy = self.accepted = 0
        self.connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stub-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(START_S):
            raise TimeoutError("the stub server did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(lambda: _Connection(self, self._loop), "127.0.0.1", self.port))
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            for connection in list(self.connections):
                connection.abort()
            self._loop.run_until_complete(asyncio.sleep(0))  # the transports say goodbye
            self._loop.close()


class _Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: HttpServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)
        self._server.accepted += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._waiting is not None:  # the client gave up
            self._waiting.cancel()
            self._done()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, rest = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, path, _ = first.split(" ", 2)
        body = json.loads(rest[:length]) if length else None
        self._handle(Request(method, path, headers, body, self._loop.time()))

    def _handle(self, request: Request) -> None:
        server = self._server
        server.busy += 1
        server.most_busy = max(server.most_busy, server.busy)
        answer = server.answer(request)
        delay = 86_400.0 if answer.manner == "stall" else server.latency_s
        self._waiting = self._loop.call_later(delay, self._send, answer)

    def _done(self) -> None:
        self._waiting = None
        self._server.busy -= 1

    def _send(self, answer: Answer) -> None:
        assert self._transport is not None
        self._done()
        if answer.manner == "drop":
            self._transport.abort()
            return
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **answer.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        whole = f"HTTP/1.1 {answer.status} Stub\r\n{head}\r\n".encode("latin-1") + body
        if answer.manner == "cut":
            self._transport.write(whole[: len(whole) - len(body) // 2])
            self._transport.close()
        else:
            self._transport.write(whole)
