"""Embeddings from OpenAI and whatever speaks its protocol: vLLM, Ollama, LM Studio, LiteLLM, text-embeddings-inference, ..."""

import base64
import os
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import numpy as np

from ..endpoint.address import Endpoint, read_endpoint, read_flag, read_model, read_number
from ..endpoint.endpoint_errors import BadReplyError, Trouble
from ..endpoint.openai_client import Client
from ..errors import EmbeddingError, InvalidInputError, TextTooLongError, shown
from ..models import Identity
from ..ports import Matrix
from .model import Kind

# developers.openai.com/api/reference/resources/embeddings/methods/create, under `input`: at most 2,048 texts and 300,000 tokens in a
# request, and 8,192 tokens in a text, for all embedding models
MAX_TEXTS: Final = 2_048
MAX_TOKENS: Final = 300_000
MAX_TEXT_TOKENS: Final = 8_192

# developers.openai.com/api/docs/guides/embeddings: a model that is not here is asked once
DIMS: Final = {"text-embedding-3-small": 1_536, "text-embedding-3-large": 3_072, "text-embedding-ada-002": 1_536}

BATCH: Final = 256  # one call's overhead is shared by many, and a bulk load by all lanes
USUAL_BYTES: Final = 3  # of a token: 4 to 5 in English prose, 2 to 3 in most other languages

Format = Literal["base64", "float"]


class OpenAIEmbedder:
    """An embedding model behind an OpenAI-compatible endpoint. Asks nobody before there is something to embed.

    Its identity is the model's name and the number of dimensions. Where an endpoint serves the model from is no part of it: the
    same model gives the same vectors there.

    A token is at least one byte of UTF-8, in the byte-level vocabularies these models have. So bytes are what is counted here: a
    request never has too many tokens, and a text of no more bytes than `max_text_tokens` is never too long. A longer one may be,
    and only the endpoint can say: it goes alone, so that nobody shares its refusal.

    Args:
        model: The name the endpoint knows it by.
        base_url: Such as `http://localhost:11434/v1`; default `OPENAI_BASE_URL`, or else OpenAI.
        api_key: Default `OPENAI_API_KEY`. A server of your own may need none.
        dimensions: Ask for shorter vectors, as `text-embedding-3` and some others can make them; default the model's own.
        timeout_s: Seconds without a byte after which an attempt has failed.
        max_retries: Further attempts after a passing trouble: too many requests, a failing server, a useless answer.
        retry_wait_s: First wait between attempts, in seconds; it doubles every time, with jitter.
        max_wait_s: The longest wait, in seconds. Where `Retry-After` asks for more, the call fails at once.
        lanes: Requests under way at once.
        max_texts: Texts in a request.
        max_tokens: Tokens in a request.
        max_text_tokens: Tokens in a text.
        truncate: Embed the beginning of a text that is too long, instead of failing.
        revision: Yours to change when the server begins to give other vectors under the same name.

    Raises:
        MissingExtraError: the `openai` package is not installed.
        InvalidInputError: an argument that makes no sense, or OpenAI without a key.
    """

    def __init__(
        self,
        model: str = "text-embedding-3-small",
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        timeout_s: float = 30.0,
        max_retries: int = 3,
        retry_wait_s: float = 0.5,
        max_wait_s: float = 20.0,
        lanes: int = 4,
        max_texts: int = MAX_TEXTS,
        max_tokens: int = MAX_TOKENS,
        max_text_tokens: int = MAX_TEXT_TOKENS,
        truncate: bool = False,
        revision: str = "",
    ) -> None:
        self.model = read_model(model, "text-embedding-3-small")
        self.truncate = read_flag(truncate, "truncate")
        self.max_texts = read_number(max_texts, "max_texts", 1, 1_000_000)
        self.max_tokens = read_number(max_tokens, "max_tokens", 1, 1_000_000_000)
        self.max_text_tokens = read_number(max_text_tokens, "max_text_tokens", 1, 1_000_000_000)
        self.dimensions = None if dimensions is None else read_number(dimensions, "dimensions", 1, 1_000_000)
        if not isinstance(revision, str):
            raise InvalidInputError(f"revision={shown(revision)}: pass a string")
        self._revision = revision
        self._dim = self.dimensions or DIMS.get(model)
        self._endpoint = read_endpoint(
            base_url, api_key, timeout_s=timeout_s, max_retries=max_retries, retry_wait_s=retry_wait_s, max_wait_s=max_wait_s
        )
        self.lanes: Sequence[OpenAILane] = [OpenAILane(self, self._endpoint) for _ in range(read_number(lanes, "lanes", 1, 1_000))]
        self.batch = min(BATCH, self.max_texts)
        self.format: Format = "base64"

    def __repr__(self) -> str:
        return f"OpenAIEmbedder({self.model!r}, base_url={self._endpoint.base_url!r})"

    @property
    def name(self) -> str:
        """What the vectors are called: `openai:<model>`."""
        return f"openai:{self.model}"

    @property
    def identity(self) -> Identity:
        """Name, revision and dimension. Of a model nobody knows, the dimension is found by embedding one word.

        Raises:
            EmbeddingError: the endpoint could not be asked for it.
        """
        if self._dim is None:
            self._dim = self.lanes[0].measure()
        return Identity(self.name, self._revision, self._dim)

    def assume(self, recorded: Identity | None) -> None:
        """Take the dimension from what a collection recorded about this model, which saves asking the endpoint."""
        if self._dim is None and recorded is not None and (recorded.name, recorded.revision) == (self.name, self._revision):
            self._dim = recorded.dim

    def close(self) -> None:
        """Let go of the connections; the next call makes new ones."""
        for lane in self.lanes:
            lane.close()


class OpenAILane:
    """One connection to the endpoint; see `model.Lane`.

    Args:
        embedder: Whose model and limits.
        endpoint: Where.
    """

    def __init__(self, embedder: OpenAIEmbedder, endpoint: Endpoint) -> None:
        self._embedder = embedder
        self._endpoint = endpoint
        self._client: Client | None = None
        self._pid = -1

    def embed(self, texts: Sequence[str], kind: Kind) -> Matrix:
        """Return one unit vector per text, shape (n, dim), float32, in as few requests as the limits allow.

        Raises:
            TextTooLongError: a text has too many tokens for the model, and `truncate` is off.
            EmbeddingError: no usable vectors after all attempts.
        """
        wanted = self._embedder
        # A lone surrogate is no text and would break the request; it carries no meaning
        encoded = [text.encode("utf-8", "replace") for text in texts]
        matrix = np.empty((len(texts), wanted.identity.dim), np.float32)
        for part in _parts([len(e) for e in encoded], wanted.max_texts, wanted.max_tokens, wanted.max_text_tokens):
            matrix[part] = self._request(encoded[part], wanted.identity.dim)
        return matrix

    def measure(self) -> int:
        """Return how long the model's vectors are.

        Raises:
            EmbeddingError: the endpoint does not say.
        """
        return len(self._request([b"dimension"], None)[0])

    def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.close()

    def _request(self, encoded: Sequence[bytes], dim: int | None) -> Matrix:
        """Embed texts that fit into one request, or one text that may be too long."""
        answer = self._ask(encoded, dim)
        if isinstance(answer, Trouble) and answer.too_long and self._embedder.truncate and len(encoded) == 1:
            answer = self._ask_shorter(encoded[0], dim, answer)
        if isinstance(answer, Trouble):
            raise self._error(answer, encoded)
        return answer

    def _ask_shorter(self, encoded: bytes, dim: int | None, answer: Trouble) -> Matrix | Trouble:
        """Cut a text to what should fit, and else to what must."""
        for tokens_are_bytes in (USUAL_BYTES, 1):
            cut = encoded[: self._embedder.max_text_tokens * tokens_are_bytes]
            shorter = self._ask([cut], dim) if len(cut) < len(encoded) else answer
            if not isinstance(shorter, Trouble) or not shorter.too_long:
                return shorter
        return answer

    def _ask(self, encoded: Sequence[bytes], dim: int | None) -> Matrix | Trouble:
        wanted = self._embedder
        body: dict[str, Any] = {"model": wanted.model, "input": [e.decode("utf-8", "ignore") for e in encoded]}
        if wanted.dimensions is not None:
            body["dimensions"] = wanted.dimensions
        answer = self._post(body, wanted.format, dim)
        if isinstance(answer, Trouble) and answer.cause == "request" and not answer.too_long and wanted.format == "base64":
            plain = self._post(body, "float", dim)  # some servers know no other
            if not isinstance(plain, Trouble):
                wanted.format = "float"
                return plain
        return answer

    def _post(self, body: dict[str, Any], format: Format, dim: int | None) -> Matrix | Trouble:
        if self._client is None or self._pid != os.getpid():  # a connection shared with a forked child would mix their answers
            self._client, self._pid = Client(self._endpoint), os.getpid()
        count = len(body["input"])
        return self._client.ask("/embeddings", {**body, "encoding_format": format}, lambda answer: read_vectors(answer, count, dim))

    def _error(self, trouble: Trouble, encoded: Sequence[bytes]) -> EmbeddingError:
        name, limit = self._embedder.name, self._embedder.max_text_tokens
        if trouble.too_long:
            whose = f"a text of {len(encoded[0]):,} bytes" if len(encoded) == 1 else f"one of {len(encoded):,} texts"
            return TextTooLongError(
                f"{name}: {whose} is too long for the model ({limit:,} tokens, unless max_text_tokens says otherwise): split it, or "
                f"use OpenAIEmbedder({self._embedder.model!r}, truncate=True) to embed its beginning"
            )
        way_out = {
            "access": "check OPENAI_API_KEY or api_key", "quota": "the quota is used up: see to the plan or use another model",
            "busy": "lower lanes or raise max_wait_s", "timeout": "raise timeout_s, or see what holds up the server",
            "request": "check model, base_url and dimensions", "connection": "check base_url and that the server runs",
            "reply": "see what serves the model there", "server": "see the server's log, or wait",
        }[trouble.cause]  # fmt: skip
        return EmbeddingError(f"{name}: the endpoint {trouble}: {way_out}")


def read_vectors(answer: Any, count: int, dim: int | None) -> Matrix:
    """Return the vectors of an embeddings answer, in the order of the texts, scaled to unit length.

    Args:
        answer: The JSON, with vectors as lists of numbers or as base64 of little-endian float32.
        count: How many texts were sent.
        dim: Length of a vector; None if it is not known.

    Raises:
        BadReplyError: it has not one vector for each text, or one that cannot be compared.
    """
    items = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadReplyError("no list of embeddings")
    if len(items) != count:
        raise BadReplyError(f"{len(items):,} vectors for {count:,} texts")
    places = [item.get("index", place) for place, item in enumerate(items)]
    if any(type(place) is not int for place in places) or sorted(places) != list(range(count)):
        raise BadReplyError("vectors that are numbered wrongly")
    rows = [_numbers(item.get("embedding")) for item in items]
    lengths = {len(row) for row in rows}
    wanted = len(rows[0]) if dim is None else dim
    if lengths != {wanted} or not wanted:
        raise BadReplyError(f"{min(lengths - {wanted} or lengths):,} dimensions instead of {wanted:,}")
    wide = np.empty((count, wanted), np.float64)
    wide[places] = rows
    norms = np.sqrt(np.add.reduce(wide * wide, axis=1))
    if not (np.isfinite(norms) & (norms > 0)).all():
        raise BadReplyError("a vector that is zero or not finite")
    unit: Matrix = (wide / norms[:, None]).astype(np.float32)
    return unit


def _numbers(embedding: Any) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    try:
        if isinstance(embedding, str):
            return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4")
        row = np.asarray(embedding, np.float32)
    except (ValueError, TypeError):
        raise BadReplyError("a vector that is none") from None
    if row.ndim != 1:
        raise BadReplyError("a vector that is none")
    return row


def _parts(sizes: Sequence[int], max_texts: int, max_tokens: int, max_text_tokens: int) -> Iterator[slice]:
    """Cut a sequence of texts into requests.

    Args:
        sizes: Of each text, in bytes.
        max_texts: Texts in a request.
        max_tokens: Bytes in a request, all together.
        max_text_tokens: Bytes in a text; a longer one goes alone.
    """
    start = total = 0
    for position, size in enumerate(sizes):
        alone = size > max_text_tokens
        if position > start and (alone or position - start == max_texts or total + size > max_tokens):
            yield slice(start, position)
            start, total = position, 0
        total = max_tokens + 1 if alone else total + size  # nothing fits beside it
    if start < len(sizes):
        yield slice(start, len(sizes))
