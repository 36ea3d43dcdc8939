"""Spans: one for every call, with OpenTelemetry's names, and only when the application asks."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from agentmem_integrations import SHARED, AgentMemory, InvalidInputError, NotFoundError
from agentmem_integrations.testing.chat import RuleChat
from agentmem_integrations.testing.embedders import FailingEmbedder

Opened = Callable[..., AgentMemory]


class Spans:
    """A tracer, and the spans it made."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer: Tracer = provider.get_tracer("tests")

    def all(self) -> list[ReadableSpan]:
        found = list(self._exporter.get_finished_spans())
        self._exporter.clear()
        return found

    def only(self) -> ReadableSpan:
        (span,) = self.all()
        return span

    def attributes(self) -> dict[str, Any]:
        return dict(self.only().attributes or {})


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def traced(url: str, opened: Opened, spans: Spans) -> AgentMemory:
    return opened(url, tracer=spans.tracer)


def test_adding_is_an_upsert_with_counts_and_a_status(traced: AgentMemory, spans: Spans) -> None:
    traced.add(["tea", "milk"], user_id="ana")
    span = spans.only()
    assert (span.name, span.kind, span.status.status_code) == ("upsert_memory", SpanKind.INTERNAL, StatusCode.UNSET)
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "upsert_memory", "gen_ai.memory.store.id": "default", "agentmem.verb": "add",
        "gen_ai.memory.record.count": 2, "agentmem.status": "done", "agentmem.events.add": 2,
    }  # fmt: skip


def test_searching_tells_how_much_was_asked_for_and_found(traced: AgentMemory, spans: Spans) -> None:
    traced.add_batch(["green tea", "black tea", "milk"], user_id="ana")
    traced.search("tea", user_id="ana", k=2, using="text")
    added, searched = spans.all()
    assert (added.attributes or {})["gen_ai.memory.record.count"] == 3
    assert dict(searched.attributes or {}) == {
        "gen_ai.operation.name": "search_memory", "gen_ai.memory.store.id": "default", "agentmem.verb": "search", "agentmem.k": 2,
        "agentmem.using": "text", "gen_ai.memory.record.count": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("call", "operation", "told"),
    [
        (lambda m: m.add_batch(["milk", ""], user_id="ana"), "upsert_memory", {"agentmem.refused": 1, "gen_ai.memory.record.count": 2}),
        (lambda m: m.update("a", importance=0.5), "update_memory", {"gen_ai.memory.record.id": "a", "gen_ai.memory.record.count": 1}),
        (lambda m: m.delete("a"), "delete_memory", {"gen_ai.memory.record.id": "a", "gen_ai.memory.record.count": 1}),
        (lambda m: m.delete(["a", "b"]), "delete_memory", {"gen_ai.memory.record.count": 1}),
        (lambda m: m.purge(user_id="ana"), "delete_memory", {"agentmem.verb": "purge", "gen_ai.memory.record.count": 1}),
        (lambda m: m.get(id="a"), "get_memory", {"gen_ai.memory.record.id": "a"}),
        (lambda m: m.list(user_id="ana"), "list_memory", {"agentmem.limit": 100, "gen_ai.memory.record.count": 1}),
        (lambda m: m.history("a"), "history_memory", {"gen_ai.memory.record.id": "a"}),
        (lambda m: m.stats(), "stats_memory", {}),
        (lambda m: m.flush(), "flush_memory", {"gen_ai.memory.record.count": 0}),
        (lambda m: m.close(), "close_memory", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_verb_is_one_span(
    call: Callable[[AgentMemory], object], operation: str, told: dict[str, Any], traced: AgentMemory, spans: Spans
) -> None:
    traced.add("tea", id="a", user_id="ana")
    spans.all()
    call(traced)
    found = spans.attributes()
    assert found["gen_ai.operation.name"] == operation
    assert told.items() <= found.items()


async def test_an_awaited_call_is_a_span_of_the_same_names_in_the_callers_trace(traced: AgentMemory, spans: Spans) -> None:
    with spans.tracer.start_as_current_span("request"):
        await asyncio.gather(*(traced.aadd(f"tea {n}", user_id="ana") for n in range(3)), traced.asearch("tea", user_id="ana"))
    *calls, request = spans.all()
    assert sorted(span.name for span in calls) == ["search_memory", "upsert_memory", "upsert_memory", "upsert_memory"]
    assert request.context is not None
    assert {span.parent.span_id for span in calls if span.parent} == {request.context.span_id}
    assert {(span.attributes or {})["agentmem.verb"] for span in calls} == {"add", "search"}


async def test_closing_is_traced_either_way(url: str, opened: Opened, spans: Spans) -> None:
    async with opened(url, tracer=spans.tracer):
        pass
    assert spans.attributes()["agentmem.verb"] == "close"


def test_a_failed_call_names_the_class_of_its_error_and_no_message(traced: AgentMemory, spans: Spans) -> None:
    with pytest.raises(NotFoundError):
        traced.update("nobody", text="SECRET")
    span = spans.only()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "NotFoundError")
    assert (span.attributes or {})["error.type"] == "NotFoundError"
    assert not span.events


def test_a_call_that_is_refused_for_its_arguments_is_a_span_too(traced: AgentMemory, spans: Spans) -> None:
    with pytest.raises(InvalidInputError):
        traced.search("tea", user_id="ana", using="nonsense", k=10**30)  # type: ignore[arg-type]
    told = spans.attributes()
    assert told["error.type"] == "InvalidInputError"
    assert not {"agentmem.using", "agentmem.k"} & told.keys()


def test_a_call_with_too_many_arguments_is_the_type_error_that_it_is_untraced(traced: AgentMemory, spans: Spans) -> None:
    with pytest.raises(TypeError, match="positional"):
        traced.flush("nonsense")  # type: ignore[call-arg]
    assert spans.attributes()["error.type"] == "TypeError"


async def test_a_cancelled_call_ends_its_span(traced: AgentMemory, spans: Spans) -> None:
    task = asyncio.create_task(traced.alist(user_id="ana"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert spans.attributes()["error.type"] == "CancelledError"


def test_what_follows_later_is_told_by_the_status(url: str, opened: Opened, spans: Spans) -> None:
    mem = opened(url, embedder=FailingEmbedder(), tracer=spans.tracer)
    mem.add("tea", user_id="ana")
    assert spans.attributes()["agentmem.status"] == "queued"


def test_intelligent_adds_count_the_events_of_the_facts(url: str, opened: Opened, spans: Spans) -> None:
    mem = opened(url, llm=RuleChat(), tracer=spans.tracer)
    mem.add("I live in Porto", user_id="ana", mode="intelligent")
    told = spans.attributes()
    assert (told["agentmem.mode"], told["agentmem.status"]) == ("intelligent", "done")
    assert told["gen_ai.memory.record.count"] == told["agentmem.events.add"] == 2


def test_whose_memory_it_is_is_told_only_when_asked(url: str, opened: Opened, spans: Spans) -> None:
    for users in (False, True):
        with opened(url, tracer=spans.tracer, trace_users=users) as mem:
            mem.add("tea", user_id="ana", agent_id="helper", session_id="s1")
            mem.for_user("ben").list()
            mem.list(user_id=SHARED)
        named, bound, shared, _ = (dict(span.attributes or {}) for span in spans.all())
        owner = {"user.id": "ana", "gen_ai.agent.id": "helper", "gen_ai.conversation.id": "s1"}
        assert {key: named.get(key) for key in owner} == (owner if users else dict.fromkeys(owner))
        assert (bound.get("user.id"), shared.get("agentmem.shared")) == (("ben", True) if users else (None, None))


def test_collections_are_told_apart_and_share_the_tracer(traced: AgentMemory, spans: Spans) -> None:
    traced.collection("docs", embedder=None, twins="keep").add("a page")
    assert spans.attributes()["gen_ai.memory.store.id"] == "docs"


def test_true_is_the_tracer_of_the_applications_provider(run_python: Callable[..., str]) -> None:
    program = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from agentmem_integrations import AgentMemory
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
with AgentMemory("memory://", tracer=True, embedder=None) as mem:
    mem.add("tea", user_id="ana")
print([(span.name, span.instrumentation_scope.name) for span in exporter.get_finished_spans()])
"""
    scope = "agentmem_integrations"
    assert run_python(program) == f"{[('upsert_memory', scope), ('close_memory', scope)]}\n"


def test_by_default_opentelemetry_is_not_imported(run_python: Callable[..., str]) -> None:
    program = """
import sys
from agentmem_integrations import AgentMemory
with AgentMemory("memory://") as mem:
    mem.add("tea", user_id="ana"); mem.search("tea", user_id="ana")
print(sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""
    assert run_python(program) == "[]\n"


def test_without_the_package_the_error_names_the_extra(run_python: Callable[..., str]) -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
from agentmem_integrations import AgentMemory, MissingExtraError
try:
    AgentMemory("memory://", tracer=True)
except MissingExtraError as error:
    print(error)
"""
    assert run_python(program) == 'tracer=True needs opentelemetry-api: pip install "agentmem-integrations[otel]"\n'


@pytest.mark.parametrize("options", [{"tracer": "otlp"}, {"tracer": 1}, {"trace_users": "yes"}], ids=str)
def test_what_is_no_tracer_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        AgentMemory("memory://", embedder=None, **options)


# The log


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    with caplog.at_level(logging.DEBUG, "agentmem"):
        yield lambda: [record.getMessage() for record in caplog.records if record.name == "agentmem.memory"]


def test_every_call_is_a_line_in_the_log_with_time_and_count(mem: AgentMemory, lines: Callable[[], list[str]]) -> None:
    mem.add("tea", user_id="ana")
    mem.search("tea", user_id="ana")
    with pytest.raises(NotFoundError):
        mem.update("nobody", text="x")
    mem.stats()
    told = [line.replace(" ms", "").split(" took ")[0].split(" after ")[0] for line in lines()]
    assert told == ["add in default", "search in default", "update in default failed", "stats in default"]
    assert lines()[0].endswith(" ms: 1")
    assert lines()[2].endswith(" ms: NotFoundError")


def test_transactions_and_batches_of_the_embedder_are_in_the_log(
    mem: AgentMemory, lines: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    mem.add("tea", user_id="ana")
    mem.delete(user_id="ana")
    committed = [record.getMessage() for record in caplog.records if record.name == "agentmem.pipeline"]
    assert [line.split(" in ")[0] for line in committed] == ["committed 1 changes of 1 calls"] * 2
