"""Posts JSON to an endpoint over `aiohttp` alone.

The `openai` package can use aiohttp too, but puts its own request, httpx's and aiohttp's around one another: 0.46 ms of processor
time a call instead of 0.12 (docs/adr/0013-direct-transport.md). What it adds is not used here: retries, types and streams.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from .address import KEEP_S, OPENAI_URL, Endpoint
from .endpoint_errors import Trouble, trouble_of_status

# What the openai package reads from the environment too, for keys that belong to several organizations or projects
FROM_ENVIRONMENT: Final = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}


class DirectSession:
    """Connections to an endpoint, kept alive. Made and used on one event loop.

    Args:
        endpoint: Where, with which key, and how long one attempt may take.
        concurrency: Connections at most.
    """

    def __init__(self, endpoint: Endpoint, concurrency: int) -> None:
        self._url = (endpoint.base_url or OPENAI_URL).rstrip("/")
        self._timeout_s = endpoint.timeout_s
        self._proxy = _proxy(self._url)  # read once: aiohttp's own `trust_env` asks the environment, on a thread, for every call
        told = {header: os.environ.get(name, "") for header, name in FROM_ENVIRONMENT.items()}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency, keepalive_timeout=KEEP_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # `post` has the clock
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Authorization": f"Bearer {endpoint.api_key}", "Content-Type": "application/json", "Accept": "application/json",
                "User-Agent": "agentmem-integrations", **{header: value for header, value in told.items() if value},
            },
        )  # fmt: skip

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send one request; return the answer's JSON, or the trouble."""
        try:
            sent = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(self._url + path, data=sent, proxy=self._proxy) as response,
            ):
                received, status, headers = await response.read(), response.status, response.headers
        except TimeoutError:
            return Trouble("timeout")
        except (aiohttp.ClientError, OSError) as error:
            return Trouble("connection", type(error).__name__)
        try:
            answer = json.loads(received)
        except ValueError:
            answer = None
            if status < 400:
                return Trouble("reply", "no JSON")
        return answer if status < 400 else trouble_of_status(status, headers, answer)

    async def close(self) -> None:
        """Let go of the connections; on the same event loop."""
        await self._session.close()


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for a URL."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    return None if proxy is None or proxy_bypass(parts.hostname or "") else proxy
