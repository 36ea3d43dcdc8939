"""Where an endpoint is, with which key, and how patiently it is asked."""

import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

from ..errors import InvalidInputError, MissingExtraError, shown

OPENAI_URL: Final = "https://api.openai.com/v1"
KEEP_S: Final = 30.0  # an idle connection: shorter than servers and proxies keep theirs, longer than an agent's usual pause
NO_KEY: Final = "no-key"  # what the client sends to servers that want none: it refuses to send nothing


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint, and the patience with it. The key is in no repr.

    Attributes:
        base_url: Such as `http://localhost:11434/v1`; None for OpenAI itself.
        api_key: The bearer token.
        timeout_s: Seconds for one attempt.
        max_retries: Further attempts after a passing trouble.
        retry_wait_s: The first wait between attempts, in seconds; it doubles every time.
        max_wait_s: The longest wait, in seconds. If the endpoint asks for more (`Retry-After`), the call fails at once.
    """

    base_url: str | None
    api_key: str = field(repr=False)
    timeout_s: float = 60.0
    max_retries: int = 3
    retry_wait_s: float = 0.5
    max_wait_s: float = 20.0


def read_endpoint(
    base_url: str | None, api_key: str | None, *, timeout_s: float, max_retries: int, retry_wait_s: float, max_wait_s: float
) -> Endpoint:
    """Return the endpoint that the arguments, or else `OPENAI_BASE_URL` and `OPENAI_API_KEY`, name. Asks nobody.

    Raises:
        MissingExtraError: the `openai` package is not installed.
        InvalidInputError: an argument that makes no sense, or OpenAI without a key.
    """
    if find_spec("openai") is None:
        raise MissingExtraError('OpenAI-compatible endpoints need the openai package: pip install "agentmem-integrations[openai]"')
    for name, text in (("base_url", base_url), ("api_key", api_key)):
        if text is not None and not isinstance(text, str):
            raise InvalidInputError(f"{name} is of type {type(text).__name__}: pass a string")
    url = base_url or os.environ.get("OPENAI_BASE_URL") or None
    if url is not None and not url.startswith(("http://", "https://")):
        raise InvalidInputError(f"base_url={shown(url)}: pass a URL such as 'http://localhost:11434/v1'")
    key = os.environ.get("OPENAI_API_KEY") if api_key is None else api_key
    if not key and url is None:
        raise InvalidInputError("no API key: set OPENAI_API_KEY, pass api_key=..., or pass the base_url of a server that needs none")
    return Endpoint(
        url, key or NO_KEY,
        read_seconds(timeout_s, "timeout_s"), read_number(max_retries, "max_retries", 0, 100),
        read_seconds(retry_wait_s, "retry_wait_s"), read_seconds(max_wait_s, "max_wait_s"),
    )  # fmt: skip


def read_number(value: Any, name: str, least: int, most: int) -> int:
    """Return a whole number of the range.

    Raises:
        InvalidInputError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInputError(f"{name}={shown(value)}: pass a whole number from {least:,} to {most:,}")
    return value


def read_flag(value: Any, name: str) -> bool:
    """Return True or False.

    Raises:
        InvalidInputError: it is neither.
    """
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name}={shown(value)}: pass True or False")
    return value


def read_seconds(value: Any, name: str) -> float:
    """Return a number of seconds, more than none and at most a day.

    Raises:
        InvalidInputError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        raise InvalidInputError(f"{name}={shown(value)}: pass seconds, more than 0 and at most 86,400")
    return float(value)


def read_model(model: Any, example: str) -> str:
    """Return the name of a model.

    Raises:
        InvalidInputError: it is none.
    """
    if not isinstance(model, str) or not model.strip() or not model.isprintable():
        raise InvalidInputError(f"model={shown(model)}: pass the name the endpoint knows it by, such as {example!r}")
    return model
