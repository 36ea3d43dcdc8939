"""Asking an endpoint: one way for a thread, one for an event loop.

Both send a body and return what the caller read from the answer, or the trouble. Nothing is raised and nothing of the
package's exceptions is kept: they hold the request with its key, and answers that may quote its text.

Its own retries are off: it does not try again after an answer that is none, and it comes back exactly when told to, with
everybody else who was told the same.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..errors import InvalidInputError
from .address import KEEP_S, Endpoint
from .endpoint_errors import Attempts, BadReplyError, Trouble, trouble_of_status

if TYPE_CHECKING:
    from .aiohttp_client import DirectSession

T = TypeVar("T")
Path = Literal["/embeddings", "/chat/completions"]
Transport = Literal["auto", "aiohttp", "httpx"]


class Client:
    """Asks an endpoint in the calling thread.

    Args:
        endpoint: Where, and how patiently. The timeout counts from the last byte received, not from the first sent.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        import openai

        self._endpoint = endpoint
        self._openai = openai.OpenAI(
            base_url=endpoint.base_url, api_key=endpoint.api_key, timeout=endpoint.timeout_s, max_retries=0,
            http_client=openai.DefaultHttpxClient(limits=_limits(1)),
        )  # fmt: skip

    def ask(self, path: Path, body: Mapping[str, Any], read: Callable[[Any], T]) -> T | Trouble:
        """Send the body until there is an answer that can be read, or patience ends.

        Args:
            path: Behind the base URL.
            body: As JSON.
            read: Takes the answer's JSON and returns what is wanted of it; raises `BadReplyError` if it is none.
        """
        attempts = Attempts(self._endpoint)
        while True:
            answer = self._once(path, body, read)
            wait = attempts.wait(answer) if isinstance(answer, Trouble) else None
            if wait is None:
                return answer
            time.sleep(wait)

    def _once(self, path: Path, body: Mapping[str, Any], read: Callable[[Any], T]) -> T | Trouble:
        try:
            answer = self._openai.post(path, cast_to=object, body=body)
        except Exception as error:  # noqa: BLE001 - the edge to other people's code: whatever it raises is a trouble
            return _trouble_of(error)
        return _read(answer, read)

    def close(self) -> None:
        """Let go of the connections."""
        self._openai.close()


class AsyncClient:
    """Asks an endpoint on the event loop it was made on, so many times at once and no more.

    Args:
        endpoint: Where, and how patiently. The timeout is for a whole attempt.
        concurrency: Calls under way at once, those that wait for another attempt included.
        transport: `aiohttp`, `httpx`, or `auto` for `aiohttp` where it is installed: it takes a quarter of the time.

    Raises:
        InvalidInputError: `aiohttp` was asked for and is not installed.
    """

    def __init__(self, endpoint: Endpoint, concurrency: int, transport: Transport) -> None:
        self._endpoint = endpoint
        self._session = _session(endpoint, concurrency, transport)
        self._places = asyncio.Semaphore(concurrency)

    async def ask(self, path: Path, body: Mapping[str, Any], read: Callable[[Any], T]) -> T | Trouble:
        """Send the body until there is an answer that can be read, or patience ends. As `Client.ask`."""
        attempts = Attempts(self._endpoint)
        async with self._places:
            while True:
                came = await self._session.post(path, body)
                answer = came if isinstance(came, Trouble) else _read(came, read)
                wait = attempts.wait(answer) if isinstance(answer, Trouble) else None
                if wait is None:
                    return answer
                await asyncio.sleep(wait)

    async def close(self) -> None:
        """Let go of the connections; on the same event loop."""
        await self._session.close()


class _PackageSession:
    """Posts through the `openai` package and its default transport, httpx."""

    def __init__(self, endpoint: Endpoint, concurrency: int) -> None:
        import openai

        self._timeout_s = endpoint.timeout_s
        self._openai = openai.AsyncOpenAI(
            base_url=endpoint.base_url, api_key=endpoint.api_key, timeout=endpoint.timeout_s, max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(limits=_limits(concurrency)),
        )  # fmt: skip

    async def post(self, path: Path, body: Mapping[str, Any]) -> Any:
        """Send one request; return the answer's JSON, or the trouble."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._openai.post(path, cast_to=object, body=body)
        except Exception as error:  # noqa: BLE001 - the edge to other people's code: whatever it raises is a trouble
            return _trouble_of(error)

    async def close(self) -> None:
        """Let go of the connections; on the same event loop."""
        await self._openai.close()


def _session(endpoint: Endpoint, concurrency: int, transport: Transport) -> "_PackageSession | DirectSession":
    installed = find_spec("aiohttp") is not None
    if transport == "aiohttp" and not installed:
        raise InvalidInputError('transport="aiohttp" needs a package that is not installed: pip install "openai[aiohttp]", or leave it out')
    if not installed or transport == "httpx":
        return _PackageSession(endpoint, concurrency)
    from .aiohttp_client import DirectSession

    return DirectSession(endpoint, concurrency)


def _limits(connections: int) -> Any:
    """Return how many connections are kept, and for how long: the defaults close all but 100 at once, and those after 5 seconds."""
    import openai

    limits = type(openai.DEFAULT_CONNECTION_LIMITS)  # of httpx or httpx2, whichever this version of openai uses
    return limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEP_S)


def _read(answer: Any, read: Callable[[Any], T]) -> T | Trouble:
    try:
        return read(answer)
    except BadReplyError as error:
        return Trouble("reply", str(error))


def _trouble_of(error: Exception) -> Trouble:
    import openai

    match error:
        case openai.APIConnectionError() | TimeoutError():  # a timeout is a connection error there
            return Trouble("timeout" if _timed_out(error) else "connection")
        case openai.APIStatusError():
            return trouble_of_status(error.status_code, error.response.headers, error.body)
        case openai.APIResponseValidationError() | ValueError():
            return Trouble("reply", "no JSON")
        case _:  # the transport's own, which the package does not know
            return Trouble("connection", type(error).__name__)


def _timed_out(error: BaseException | None) -> bool:
    """Say whether waiting was the cause: the aiohttp transport calls every lost connection a timeout."""
    while error is not None and not isinstance(error, TimeoutError):
        error = error.__cause__ or error.__context__
    return error is not None
