"""What an endpoint's answer means, and how long to wait after it."""

import email.utils
import time

import pytest

from agentmem_integrations.endpoint.address import Endpoint
from agentmem_integrations.endpoint.endpoint_errors import Attempts, Trouble, trouble_of_status

PATIENT = Endpoint(None, "key", max_retries=5, retry_wait_s=1.0, max_wait_s=60.0)


def waits(endpoint: Endpoint, trouble: Trouble) -> list[float | None]:
    attempts = Attempts(endpoint)
    return [attempts.wait(trouble) for _ in range(endpoint.max_retries + 1)]


def test_waits_double_up_to_eight_seconds_and_are_jittered_and_then_end() -> None:
    *found, last = waits(PATIENT, Trouble("server", status=500))
    assert last is None
    for wait, most in zip(found, (1, 2, 4, 8, 8), strict=True):
        assert wait is not None
        assert most / 2 <= wait <= most
    assert found != waits(PATIENT, Trouble("server", status=500))[:-1]


def test_what_the_endpoint_asks_for_is_never_undercut_and_not_met_to_the_instant() -> None:
    found = {Attempts(PATIENT).wait(Trouble("busy", status=429, retry_after_s=7.0)) for _ in range(50)}
    assert len(found) > 1
    assert all(wait is not None and 7.0 <= wait <= 7.5 for wait in found)


def test_a_longer_wait_than_allowed_is_no_wait_at_all() -> None:
    assert Attempts(PATIENT).wait(Trouble("busy", status=429, retry_after_s=60.5)) is None


@pytest.mark.parametrize("trouble", [Trouble("access"), Trouble("request"), Trouble("quota")])
def test_what_does_not_pass_is_not_tried_again(trouble: Trouble) -> None:
    assert Attempts(PATIENT).wait(trouble) is None


@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [
        (429, "rate_limit_exceeded", "busy"), (429, "insufficient_quota", "quota"), (500, None, "server"), (503, None, "server"),
        (408, None, "server"), (401, None, "access"), (403, None, "access"), (400, None, "request"), (404, None, "request"),
    ],
)  # fmt: skip
def test_a_status_tells_the_cause(status: int, code: str | None, cause: str) -> None:
    trouble = trouble_of_status(status, {}, {"error": {"code": code, "message": "x"}})
    assert (trouble.cause, trouble.code, trouble.status) == (cause, code, status)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0), ({"retry-after": "0.5"}, 0.5), ({"retry-after": "9", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "-1"}, 0.0), ({"retry-after": "soon"}, None), ({"retry-after": "inf"}, None), ({}, None),
    ],
)  # fmt: skip
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert trouble_of_status(429, headers, None).retry_after_s == seconds


def test_retry_after_may_be_a_date() -> None:
    seconds = trouble_of_status(429, {"retry-after": email.utils.formatdate(time.time() + 3_600, usegmt=True)}, None).retry_after_s
    assert seconds is not None
    assert 3_500 < seconds <= 3_600


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens, however you requested 9000 tokens",
        "Invalid 'input[0]': maximum input length is 8192 tokens.",
        "input is too long",
        "`inputs` must have less than 512 tokens. Given: 600",
        "the input length exceeds the context length",
    ],
)
def test_a_refusal_for_length_is_recognised(message: str) -> None:
    assert trouble_of_status(400, {}, {"error": {"message": message}}).too_long
    assert trouble_of_status(400, {}, {"message": message}).too_long
    assert not trouble_of_status(401, {}, {"error": {"message": message}}).too_long


@pytest.mark.parametrize(
    "message",
    [
        "Unsupported parameter: 'dimensions'",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ],
)
def test_another_refusal_is_not_about_length(message: str) -> None:
    assert not trouble_of_status(400, {}, {"error": {"message": message}}).too_long


def test_a_trouble_shows_nothing_of_what_the_server_wrote_but_codes() -> None:
    body = {"error": {"message": "You said: my cat is Miso", "code": "sk-secret", "param": "my cat", "type": "odd_error"}}
    trouble = trouble_of_status(400, {"x-request-id": "req_1"}, body)
    assert str(trouble) == "answered 400 (odd_error, request req_1)"
    assert "cat" not in repr(trouble)
    assert "secret" not in repr(trouble)


def test_any_body_can_be_read() -> None:
    for body in (None, "Not Found", [], {"error": "model not found"}, {"error": None}, {"detail": [{"msg": "x"}]}):
        assert trouble_of_status(404, {}, body).cause == "request"
