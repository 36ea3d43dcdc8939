"""What is told of every call to a memory: a line in the log, and a span if the application asks for spans. Never content.

The names of operations and attributes are those of OpenTelemetry's conventions for memory
(https://github.com/open-telemetry/semantic-conventions-genai, the page on spans, "Memory"; in development there, as of
November 2026); what these do not know begins with `agentmem.`. All of them are listed in docs/observability.md.
"""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import FunctionType, TracebackType
from typing import Any, Final, Self, TypeVar, get_args

from .config import MAX_PAGE, Mode, Using
from .errors import InvalidInputError, MissingExtraError, shown
from .models import SHARED, AddResult, Memory

T = TypeVar("T")
log = logging.getLogger("agentmem.memory")

OPERATIONS: Final[Mapping[str, str]] = {
    "add": "upsert_memory",
    "add_batch": "upsert_memory",
    "import_": "upsert_memory",
    "search": "search_memory",
    "update": "update_memory",
    "delete": "delete_memory",
    "purge": "delete_memory",
}
"""The conventions' name of what a verb does. Others, which the conventions do not know, are called `<verb>_memory`."""

OWNERS: Final[Mapping[str, str]] = {"user_id": "user.id", "agent_id": "gen_ai.agent.id", "session_id": "gen_ai.conversation.id"}
COUNTS: Final = ("k", "limit")  # arguments that say how much was asked for
CHOICES: Final = {"using": get_args(Using), "mode": get_args(Mode)}  # and how: a mistyped value may be anything, and is not told


@dataclass(frozen=True, slots=True)
class Tracing:
    """Where spans go.

    Attributes:
        tracer: An OpenTelemetry `Tracer`.
        users: Spans may tell whose memory it is: user, agent and session ids.
    """

    tracer: Any
    users: bool = False


def read_tracing(tracer: Any, users: bool) -> Tracing | None:
    """Return where spans go; None if none are wanted.

    Args:
        tracer: A `Tracer`; True for the one of the application's global provider; None or False for none.
        users: Spans may tell whose memory it is.

    Raises:
        InvalidInputError: it is no tracer.
        MissingExtraError: True, and `opentelemetry-api` is not installed.
    """
    if tracer is None or tracer is False:
        return None
    if tracer is True:
        return Tracing(_global_tracer(), users)
    if not callable(getattr(tracer, "start_as_current_span", None)):
        raise InvalidInputError(f"tracer={shown(tracer)}: pass an OpenTelemetry Tracer, or True for the global provider's")
    return Tracing(tracer, users)


def _global_tracer() -> Any:
    try:
        from opentelemetry.trace import get_tracer
    except ImportError as e:
        raise MissingExtraError('tracer=True needs opentelemetry-api: pip install "agentmem-integrations[otel]"') from e
    return get_tracer("agentmem_integrations")


class Watched:
    """One call to a memory: a context in which its work is done.

    Args:
        tracing: Where its span goes; None for the log only.
        verb: The method that begins it.
        namespace: The collection.
        user_id: Whom the view is bound to, if it is.
        args: What the call was given by position.
        kwargs: What it was given by name.
    """

    def __init__(
        self,
        tracing: Tracing | None,
        verb: FunctionType,
        namespace: str,
        user_id: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        self._tracing = tracing
        self._verb = verb.__name__
        self._namespace = namespace
        self._asked = {**(verb.__kwdefaults__ or {}), **kwargs}
        self._user_id = user_id
        by_position = args and verb.__code__.co_varnames[1:2] == ("id",)
        self._id = args[0] if by_position else kwargs.get("id")
        self._count: int | None = None
        self._manager: AbstractContextManager[Any] | None = None
        self._span: Any = None

    def __enter__(self) -> Self:
        if self._tracing is not None:
            operation = OPERATIONS.get(self._verb, f"{self._verb.strip('_')}_memory")
            # An exception is recorded with its message and its traceback: neither is ours to hand on
            self._manager = self._tracing.tracer.start_as_current_span(
                operation, attributes=self._attributes(operation), record_exception=False, set_status_on_exception=False
            )
            self._span = self._manager.__enter__()
        self._began = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        took = (time.perf_counter() - self._began) * 1000
        if kind is not None:
            log.debug("%s in %s failed after %.1f ms: %s", self._verb, self._namespace, took, kind.__name__)
        elif self._count is None:
            log.debug("%s in %s took %.1f ms", self._verb, self._namespace, took)
        else:
            log.debug("%s in %s took %.1f ms: %d", self._verb, self._namespace, took, self._count)
        if self._manager is not None:
            if kind is not None:
                self._tell_failure(kind.__name__)
            self._manager.__exit__(None, None, None)

    def told(self, result: T) -> T:
        """Note what came of it, and return it."""
        self._count = count_of(result)
        if self._span is not None:
            if self._count is not None:
                self._span.set_attribute("gen_ai.memory.record.count", self._count)
            for name, value in outcome_of(result).items():
                self._span.set_attribute(name, value)
        return result

    def _attributes(self, operation: str) -> dict[str, str | int]:
        assert self._tracing is not None
        told: dict[str, Any] = {
            "gen_ai.operation.name": operation,
            "gen_ai.memory.store.id": self._namespace,
            "agentmem.verb": self._verb.strip("_"),
        }
        told |= {f"agentmem.{name}": value for name in COUNTS if _is_count(value := self._asked.get(name))}
        for name, known in CHOICES.items():
            if isinstance(value := self._asked.get(name), str) and value in known:
                told[f"agentmem.{name}"] = value
        if isinstance(self._id, str) and self._verb != "retry_jobs":  # which takes the id of a job
            told["gen_ai.memory.record.id"] = self._id
        if self._tracing.users:
            asked = {"user_id": self._user_id, **{name: id for name, id in self._asked.items() if id is not None}}
            told |= {key: id for name, key in OWNERS.items() if isinstance(id := asked.get(name), str)}
            if asked["user_id"] is SHARED:
                told["agentmem.shared"] = True
        return told

    def _tell_failure(self, name: str) -> None:
        from opentelemetry.trace import StatusCode  # there, since somebody made a tracer

        self._span.set_attribute("error.type", name)
        self._span.set_status(StatusCode.ERROR, name)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= MAX_PAGE


def count_of(result: Any) -> int | None:
    """Return how many memories a result is about; None if it does not say."""
    if isinstance(result, AddResult):
        return len(result.events)
    if isinstance(result, int):
        return result
    if isinstance(result, Memory):
        return 1
    return len(result) if isinstance(result, list) else None


def outcome_of(result: Any) -> dict[str, str | int]:
    """Return what came of adding: the status, how many events there were of each kind, how many items were refused."""
    if isinstance(result, AddResult):
        results: Sequence[Any] = [result]
    elif isinstance(result, list) and result and isinstance(result[0], AddResult):
        results = result
    else:
        return {}
    told: dict[str, str | int] = {"agentmem.status": _worst(results)}
    for kind, number in Counter(event.event for result in results for event in result.events).items():
        told[f"agentmem.events.{kind.lower()}"] = number
    if refused := sum(result.error is not None and not result.events for result in results):
        told["agentmem.refused"] = refused
    return told


def _worst(results: Sequence[AddResult]) -> str:
    said = {result.status for result in results}
    return next(status for status in ("queued", "done", "nothing") if status in said)
