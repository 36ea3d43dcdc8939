"""A stub of an OpenAI-compatible endpoint on loopback: `/v1/chat/completions` and `/v1/embeddings`, with every fault on demand.

    with OpenAIServer(latency_s=0.05) as server:
        server.fail_next("429", "stall")
        chat = OpenAIChat("any", base_url=server.base_url, api_key="any")

It answers the same to the same, whatever the machine: the vectors are hashed from the words, random faults come from a seed and
the number of the request. For a benchmark it had better be a process of its own (`running_apart`), which does not share the
client's interpreter: `python -m agentmem_integrations.testing.openai_server --latency 0.05` does the same by hand.
"""

import argparse
import base64
import random
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, get_args

import numpy as np

from ..ports import Matrix, Vector
from .embedders import HashEmbedder
from .http_server import Answer, HttpServer, Request
from .server_process import running_module

Fault = Literal[
    "429", "429-quota", "400", "401", "500", "503", "stall", "drop", "cut", "malformed", "empty",
    "length", "refusal", "filter", "wrong_length", "nan", "zero", "few", "shuffled", "no_index",
]  # fmt: skip
"""What can go wrong with one request.

`429` (with `Retry-After`), `429-quota`, `400`, `401`, `500`, `503`: that status; the message quotes the input or the key, as some
servers do. `stall`: no answer ever. `drop`, `cut`: the connection is closed before, or in the middle of, the answer. `malformed`:
200, and no JSON. `empty`: JSON with nothing in it.
Of a chat: `length` is cut off at a limit, `refusal` by the model, `filter` by a content filter. Of embeddings: `wrong_length`,
`nan`, `zero` and `few` (one vector missing) spoil the answer; `shuffled` and `no_index` are legal and merely unusual.
"""

Structured = Literal["schema", "json", "none"]
Reply = Callable[[Mapping[str, Any]], str | Mapping[str, Any]]

MODEL_TOKENS: Final = 8_192
REQUEST_TOKENS: Final = 300_000
REQUEST_TEXTS: Final = 2_048
CHARS_IN_TOKEN: Final = 4  # the stub's tokens; what a real model's are only a real model knows


class OpenAIServer:
    """The stub. A context manager.

    Args:
        latency_s: Seconds from a request to its answer.
        dim: Length of the vectors.
        reply: What the chat model says: called with the request's JSON, on the server's thread. Text is the answer; a mapping is
            merged into the whole answer's JSON. Default: the last message.
        error_rate: Share of requests that get one of `error_kinds`, 0 to 1.
        error_kinds: Which faults those are.
        retry_after: The `Retry-After` of a `429`.
        structured: What it can be held to: a JSON schema, JSON, or nothing. Asked for more it answers 400.
        rejects: Parameters that it answers 400 to, such as `temperature` or `encoding_format`.
        says_why: A 400 names the parameter, as OpenAI's does; other servers often do not.
        text_tokens: The longest text it embeds, of 4 characters each.
        api_key: The only key it accepts; None for any or none.
        seed: Of the random faults.
        record: Keep the requests.
        port: Where to listen; 0 for any free port.

    Attributes:
        requests: What was asked, oldest first.
    """

    def __init__(
        self,
        *,
        latency_s: float = 0.0,
        dim: int = 64,
        reply: Reply | None = None,
        error_rate: float = 0.0,
        error_kinds: Sequence[Fault] = ("429", "500"),
        retry_after: str = "0.05",
        structured: Structured = "schema",
        rejects: Sequence[str] = (),
        says_why: bool = True,
        text_tokens: int = MODEL_TOKENS,
        api_key: str | None = None,
        seed: int = 0,
        record: bool = True,
        port: int = 0,
    ) -> None:
        self.reply = reply
        self.error_rate = error_rate
        self.error_kinds = tuple(error_kinds)
        self.retry_after = retry_after
        self.structured = structured
        self.rejects = set(rejects)
        self.says_why = says_why
        self.text_tokens = text_tokens
        self.api_key = api_key
        self.requests: list[Request] = []
        self._seed = seed
        self._record = record
        self._embedder = HashEmbedder(dim)
        self._count = 0
        self._planned: deque[Fault] = deque()
        self._always: Fault | None = None
        self._changed = threading.Condition()
        self._http = HttpServer(self._answer, latency_s, port)

    @property
    def base_url(self) -> str:
        """What clients are given."""
        return f"http://127.0.0.1:{self._http.port}/v1"

    @property
    def concurrent(self) -> int:
        """The most requests that ever waited for their answers together."""
        return self._http.most_busy

    @property
    def count(self) -> int:
        """How many requests there were."""
        return self._count

    @property
    def connections(self) -> int:
        """How many connections there ever were."""
        return self._http.accepted

    def wait_for(self, count: int, timeout_s: float = 30.0) -> None:
        """Wait until there were so many requests.

        Raises:
            TimeoutError: they did not come.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._count >= count, timeout_s):
                raise TimeoutError(f"only {self._count} of {count} requests came")

    def fail_next(self, *faults: Fault) -> None:
        """Let the next requests go wrong, one after the other."""
        with self._changed:
            self._planned.extend(faults)

    def fail_always(self, fault: Fault | None) -> None:
        """Let all requests go wrong until further notice; None: no more."""
        with self._changed:
            self._always = fault

    def texts(self) -> list[list[str]]:
        """Return the texts of every embeddings request, oldest first."""
        return [request.body["input"] for request in self.requests if request.path.endswith("/embeddings")]

    def __enter__(self) -> "OpenAIServer":
        self._http.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._http.__exit__(*error)

    # The server's thread

    def _answer(self, request: Request) -> Answer:
        if request.path.endswith("/stats"):
            return Answer({"count": self._count, "concurrent": self.concurrent})
        with self._changed:
            if self._record:
                self.requests.append(request)
            number, self._count = self._count, self._count + 1
            self._changed.notify_all()
            fault = self._planned.popleft() if self._planned else self._always or self._random_fault(number)
        if self.api_key is not None and request.headers.get("authorization") != f"Bearer {self.api_key}":
            fault = "401"
        if fault is not None and (answer := self._refused(fault, request)) is not None:
            return answer
        if request.path.endswith("/chat/completions"):
            return self._chat(request.body, fault)
        if request.path.endswith("/embeddings"):
            return self._embeddings(request.body, fault)
        return _error(404, f"there is no {request.path}", "not_found")

    def _random_fault(self, number: int) -> Fault | None:
        if not self.error_rate:
            return None
        chance = random.Random(f"{self._seed}:{number}")  # noqa: S311 - a script for a test
        return chance.choice(self.error_kinds) if chance.random() < self.error_rate else None

    def _refused(self, fault: Fault, request: Request) -> Answer | None:
        """Return the answer to a request that never reaches a model."""
        match fault:
            case "429":
                return _error(429, "Rate limit reached", "rate_limit_exceeded", headers={"Retry-After": self.retry_after})
            case "429-quota":
                return _error(429, "You exceeded your current quota", "insufficient_quota")
            case "400":
                return _error(400, f"Bad request: {request.body}", "invalid_request_error")  # quoting the input, as some do
            case "401":
                key = request.headers.get("authorization", "").removeprefix("Bearer ")
                return _error(401, f"Incorrect API key provided: {key}", "invalid_api_key")
            case "500" | "503":
                return _error(int(fault), f"The server had an error while processing: {request.body}", "server_error")
            case "stall" | "drop":
                return Answer({}, manner=fault)
            case "cut":
                return Answer({"choices": [], "data": [], "padding": "x" * 1_000}, manner="cut")
            case "malformed":
                return Answer(b'{"choices": [{"message": {"cont')
            case "empty":
                return Answer({})
            case _:
                return None

    def _unknown_parameter(self, body: Mapping[str, Any]) -> Answer | None:
        for name in sorted(self.rejects & set(body)):
            return _error(400, f"Unsupported parameter: '{name}'", "unsupported_parameter", name if self.says_why else None)
        wanted = body.get("response_format", {}).get("type", "text")
        can = {"schema": ("text", "json_object", "json_schema"), "json": ("text", "json_object"), "none": ("text",)}[self.structured]
        if wanted not in can:
            return _error(
                400, f"response_format {wanted!r} is not supported", "invalid_value", "response_format" if self.says_why else None
            )
        return None

    def _chat(self, body: Mapping[str, Any], fault: Fault | None) -> Answer:
        if (refused := self._unknown_parameter(body)) is not None:
            return refused
        said = self.reply(body) if self.reply is not None else body["messages"][-1]["content"]
        text = said if isinstance(said, str) else ""
        finish, refusal = {
            "length": ("length", None),
            "refusal": ("stop", "I cannot help with that"),
            "filter": ("content_filter", None),
        }.get(str(fault), ("stop", None))
        text = text[: len(text) // 2] if fault == "length" else text
        message = {"role": "assistant", "content": None if refusal or fault == "filter" else text, "refusal": refusal}
        read = sum(_tokens(m["content"]) for m in body["messages"])
        written = _tokens(text)
        usage = {
            "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": read // 2},
        }  # fmt: skip
        choice = {"index": 0, "message": message, "finish_reason": finish}
        whole = {"id": f"chat-{self._count}", "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage}
        return Answer(whole if isinstance(said, str) else {**whole, **said})

    def _embeddings(self, body: Mapping[str, Any], fault: Fault | None) -> Answer:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        if (refused := self._unknown_parameter(body) or self._too_much(texts)) is not None:
            return refused
        matrix = _spoilt(self._vectors(texts, body.get("dimensions")), fault)
        as_sent: Callable[[Vector], Any] = _base64 if body.get("encoding_format") == "base64" else _numbers
        items = [{"object": "embedding", "index": i, "embedding": as_sent(row)} for i, row in enumerate(matrix)]
        if fault == "shuffled":
            items.reverse()
        if fault == "no_index":
            items = [{"embedding": item["embedding"]} for item in items]
        read = sum(map(_tokens, texts))
        return Answer({"object": "list", "data": items, "model": body["model"], "usage": {"prompt_tokens": read, "total_tokens": read}})

    def _too_much(self, texts: Sequence[str]) -> Answer | None:
        if not texts or not all(texts):
            return _error(400, "'$.input' is invalid", "invalid_request_error", "input")
        if len(texts) > REQUEST_TEXTS:
            return _error(400, f"'$.input' is invalid: {len(texts)} texts, at most {REQUEST_TEXTS}", "invalid_request_error", "input")
        if max(map(_tokens, texts)) > self.text_tokens:
            return _error(400, f"This model's maximum context length is {self.text_tokens} tokens", None)
        if (total := sum(map(_tokens, texts))) > REQUEST_TOKENS:
            return _error(400, f"Requested {total} tokens, max {REQUEST_TOKENS} tokens per request", "max_tokens_per_request")
        return None

    def _vectors(self, texts: Sequence[str], dimensions: int | None) -> Matrix:
        matrix = self._embedder.embed_documents(texts)[:, :dimensions]
        self._embedder.batches.clear()  # the requests are recorded already
        unit: Matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
        return unit


def _spoilt(matrix: Matrix, fault: Fault | None) -> Matrix:
    match fault:
        case "wrong_length":
            return matrix[:, :-1]
        case "few":
            return matrix[:-1]
        case "nan":
            return np.full_like(matrix, np.nan)
        case "zero":
            return np.zeros_like(matrix)
        case _:
            return matrix


def _base64(row: Vector) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def _numbers(row: Vector) -> Any:
    return row.tolist()


def _tokens(text: str) -> int:
    return -(-len(text) // CHARS_IN_TOKEN)


def _error(status: int, message: str, code: str | None, param: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    error = {"message": message, "type": "stub_error", "param": param, "code": code}
    return Answer({"error": error}, status, headers or {})


def running_apart(*, latency_s: float = 0.0, dim: int = 64) -> AbstractContextManager[str]:
    """Run a server in a process of its own, without a record; the context is its base URL; `GET <base URL>/stats` counts."""
    return running_module(__name__, ["--latency", str(latency_s), "--dim", str(dim)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until standard input ends; the first line of output is the base URL."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name if __spec__ else __name__}", description="A stub OpenAI endpoint")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--error-rate", type=float, default=0.0)
    parser.add_argument("--error-kinds", nargs="+", default=["429", "500"], choices=get_args(Fault), metavar="FAULT")
    given = parser.parse_args(arguments)
    with OpenAIServer(
        latency_s=given.latency, dim=given.dim, port=given.port, error_rate=given.error_rate, error_kinds=given.error_kinds, record=False
    ) as server:
        print(server.base_url, flush=True)  # noqa: T201 - whoever started it reads it
        sys.stdin.read()


if __name__ == "__main__":
    main()
