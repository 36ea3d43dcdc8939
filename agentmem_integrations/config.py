"""Settings of a memory, and the limits that hold for every store."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal

Mode = Literal["fast", "batch", "intelligent"]
Durability = Literal["full", "normal"]
Twins = Literal["merge", "keep"]
Using = Literal["hybrid", "vector", "text"]
FollowUps = Literal["rule", "llm"]

MEMORY_URL: Final = "memory://"
"""Opens a private store in RAM that is gone when it is closed."""

TEXT_LIMIT: Final = 131_072
"""Characters in one memory, unless the caller sets another limit."""

ID_LIMIT: Final = 1_000
"""Characters in an id, a role, a name or a namespace."""

PATH_LIMIT: Final = 4_096
"""Characters in the name of a file, folders included."""

METADATA_LIMIT: Final = 1_048_576
"""Bytes of one memory's metadata, written as JSON."""

ITEM_LIMIT: Final = 16 * 1_048_576
"""Characters of any other JSON value of one memory, counted as `filters.check_json` does."""

FILTER_LIMIT: Final = 4 * 1_048_576
"""Characters of the keys and values in one filter, counted likewise: enough for an `$in` of 100,000 ids."""

MAX_K: Final = 1_000
"""Hits in one search, `offset` included."""

MAX_BUDGET: Final = 100_000_000
"""Tokens that the texts of hits may take."""

MAX_DIM: Final = 65_536
"""Numbers in one vector."""

MAX_PAGE: Final = 10_000
"""Memories in one page of `list`."""

BUSY_TIMEOUT_S: Final = 30.0
"""How long a writer waits for another process before `StoreBusyError`, in seconds."""

MATRIX_BUDGET: Final = 512 * 1024 * 1024
"""Bytes of vectors that searches may keep in RAM, for all scopes together."""

EMBEDDING_CACHE_BYTES: Final = 64 * 1024 * 1024
"""Bytes of vectors of texts embedded before that are kept in RAM, and as many in the file: 43,000 of 384 dimensions."""

RERANK_TOP: Final = 30
"""Candidates that a reranker judges: the cost of a search grows with them, and what is not among the best thirty is rarely the answer."""

RERANK_WEIGHT: Final = 0.5
"""How much of a score the judgement makes up. Not fitted: the ranking knows what was said around a memory, and a reranker not."""

Queue = tuple[int, float]
"""Texts in a batch at most, and milliseconds it may wait to become full."""

LEASE: Final = timedelta(seconds=30)
"""How long a job belongs to a process that does not say that it is still at it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What `AgentMemory(...)` was asked for.

    Attributes:
        path: A file, or `memory://`.
        embedder: A spec such as `"static"`, or an object with `embed_documents` and `embed_query`.
        mode: The recipe of an `add` that names none.
        namespace: The collection's name.
        durability: `"full"`: an acknowledged write is on disk; `"normal"`: it survives a crash of the process, but
            the last ones may be lost with the power.
        twins: `"merge"`: the same utterance told twice is one memory; `"keep"`: a document collection; None: as it was made.
        text_limit: Characters allowed in one memory.
        matrix_budget: Bytes of vectors kept in RAM for searching.
        queue: How single requests to the embedder become batches; None: as large as the model likes, waiting for no clock.
        embedding_cache_bytes: Bytes of vectors of texts embedded before: so many in RAM and as many in the file; 0 for no cache.
        llm: What draws facts from messages: a spec such as `"openai:gpt-5-mini"`, a function, or a `ChatModel`; None for none.
        tracer: Where spans go: an OpenTelemetry `Tracer`, or True for the application's global provider; None for nowhere.
        trace_users: Spans tell whose memory it is.
        ranker: A file of weights for the ranking, in the form of `pipeline/ranking/ranking.toml`; None for those.
        reranker: What judges the best candidates of a search once more: a spec such as `"fastembed:<model or folder>"` or `"llm"`, or
            a function; None for nothing.
        rerank_top: How many of the best it judges.
        rerank_weight: How much of a score its judgement makes up, 0 to 1.
        follow_ups: Who completes a question that leans on `history=`: `"rule"`, or `"llm"`.
    """

    path: str = MEMORY_URL
    embedder: Any = "static"
    mode: Mode = "fast"
    namespace: str = "default"
    durability: Durability = "full"
    twins: Twins | None = None
    text_limit: int = TEXT_LIMIT
    matrix_budget: int = MATRIX_BUDGET
    queue: Queue | None = None
    embedding_cache_bytes: int = EMBEDDING_CACHE_BYTES
    llm: Any = None
    tracer: Any = None
    trace_users: bool = False
    ranker: Any = None
    reranker: Any = None
    rerank_top: int = RERANK_TOP
    rerank_weight: float = RERANK_WEIGHT
    follow_ups: FollowUps = "rule"

    def for_collection(self, name: str, embedder: Any, twins: Twins | None, mode: Mode | None) -> "Settings":
        """Return the settings of another collection in the same store."""
        return replace(self, namespace=name, embedder=embedder, twins=twins, mode=self.mode if mode is None else mode)
