"""What can go wrong with an endpoint, in words that hold neither the key nor anybody's text, and how long to wait then.

A server's own message is read here and goes no further: it may quote the input or the key.
"""

import email.utils
import math
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from .address import Endpoint

Cause = Literal["timeout", "connection", "busy", "quota", "server", "access", "request", "reply"]

PASSING: Final = frozenset({"timeout", "connection", "busy", "server", "reply"})
LONGEST_BACKOFF_S: Final = 8.0
_plain = re.compile(r"[a-z][a-z0-9_]{0,63}").fullmatch  # the shape of codes and of parameters, not of keys and seldom of text
_traceable = re.compile(r"[\w-]{1,64}").fullmatch
_about_length = re.compile(  # and not about the parameter `max_tokens`
    r"context.length|too (long|large|many tokens)|\b(max|maximum|exceed\w*|less than|limit)\b.{0,80}\btokens?\b", re.IGNORECASE
).search


class BadReplyError(Exception):
    """The endpoint answered 200 with something that is no answer. Never leaves this package's users: it becomes a `Trouble`."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why one attempt gave nothing.

    Attributes:
        cause: What kind of trouble.
        detail: More about it, in our words.
        status: The HTTP status; None if there was no answer.
        code: The endpoint's own code for it, such as `rate_limit_exceeded`.
        param: The parameter it complains about.
        retry_after_s: How long it asks to wait, in seconds.
        too_long: It says that the input is too long.
    """

    cause: Cause
    detail: str = ""
    status: int | None = None
    code: str | None = None
    param: str | None = None
    retry_after_s: float | None = None
    too_long: bool = False

    def __str__(self) -> str:
        match self.cause:
            case "timeout":
                said = "did not answer in time"
            case "connection":
                said = "could not be reached"
            case "reply":
                said = "answered with something unusable"
            case _:
                said = f"answered {self.status}"
        more = ", ".join(part for part in (self.code, self.param and f"parameter {self.param}", self.detail) if part)
        return f"{said} ({more})" if more else said

    @property
    def passing(self) -> bool:
        """Whether trying again may help."""
        return self.cause in PASSING


def trouble_of_status(status: int, headers: Mapping[str, str], body: Any) -> Trouble:
    """Read an answer that is an error.

    Args:
        status: The HTTP status.
        headers: Of the answer.
        body: What came as JSON, or None.
    """
    error = body.get("error", body) if isinstance(body, dict) else body
    fields = error if isinstance(error, dict) else {}
    code, param = (_plain_word(fields.get(key)) for key in ("code", "param"))
    code = code or _plain_word(fields.get("type"))
    request_id = headers.get("x-request-id")
    detail = f"request {request_id}" if request_id and _traceable(request_id) else ""
    message = fields.get("message") if fields else error
    too_long = status == 413 or (status in (400, 422) and isinstance(message, str) and _about_length(message) is not None)
    return Trouble(_cause(status, code), detail, status, code, param, _retry_after(headers), too_long)


def _cause(status: int, code: str | None) -> Cause:
    if status == 429:
        return "quota" if code == "insufficient_quota" else "busy"
    if status in (408, 409) or status >= 500:
        return "server"
    return "access" if status in (401, 403) else "request"


def _plain_word(value: Any) -> str | None:
    return value if isinstance(value, str) and _plain(value) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds asked for: RFC 9110, section 10.2.3 (seconds or a date), and OpenAI's own header in milliseconds."""
    text = headers.get("retry-after-ms")
    try:
        seconds = float(text) / 1_000 if text else float(headers.get("retry-after", ""))
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


class Attempts:
    """Decides after every failed attempt of one call whether, and when, there is another.

    The waits double and are jittered, so that callers who failed together do not come back together (Brooker, "Exponential
    Backoff And Jitter", AWS Architecture Blog, 2015). What the endpoint asks for is never undercut.

    Args:
        endpoint: Its patience.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.failed = 0

    def wait(self, trouble: Trouble) -> float | None:
        """Return the seconds to wait before the next attempt; None if there is none."""
        self.failed += 1
        if not trouble.passing or self.failed > self._endpoint.max_retries:
            return None
        first, most = self._endpoint.retry_wait_s, self._endpoint.max_wait_s
        backoff = min(first * 2.0 ** (self.failed - 1), LONGEST_BACKOFF_S, most)
        if trouble.retry_after_s is None:
            return backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        if trouble.retry_after_s > most:
            return None
        return trouble.retry_after_s + backoff * random.uniform(0.0, 0.5)  # noqa: S311 - jitter, not a secret
