"""A secret is planted wherever content goes in, every verb is called, all fails that can: the secret is in no log, span or error."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agentmem_integrations import AgentMemError, AgentMemory, OpenAIChat, OpenAIEmbedder, UserMemory
from agentmem_integrations.cli import main
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder, LyingEmbedder
from agentmem_integrations.testing.openai_server import OpenAIServer

SECRET = "xyzzyplugh"  # noqa: S105 - that is the point of it
SAID = f"My password is {SECRET}"


class Witness:
    """Hears everything: errors, logs of all levels, spans."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("tests")
        self.errors: list[str] = []

    def open(self, path: str, **options: Any) -> AgentMemory:
        return AgentMemory(path, **{"embedder": HashEmbedder(), "tracer": self.tracer, **options})

    def fails(self, call: Callable[[], object]) -> None:
        """Call what must fail, and note what it says."""
        with pytest.raises(AgentMemError) as caught:
            call()
        self.errors += [str(caught.value), repr(caught.value)]

    def note(self, *errors: object) -> None:
        """Note errors that are told in other ways."""
        assert all(error is not None for error in errors)
        self.errors += map(str, errors)

    def heard(self) -> Iterator[str]:
        """Give everything that was heard."""
        yield from self.errors
        for record in self._caplog.get_records("call"):
            if record.name.partition(".")[0] == "agentmem":
                yield f"{record.getMessage()} {record.args} {record.exc_text}"
        for span in self._exporter.get_finished_spans():
            yield span.to_json()

    @property
    def counts(self) -> tuple[int, int, int]:
        lines = sum(record.name.startswith("agentmem") for record in self._caplog.get_records("call"))
        return len(self.errors), lines, len(self._exporter.get_finished_spans())


@pytest.fixture
def witness(caplog: pytest.LogCaptureFixture) -> Iterator[Witness]:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "agentmem")
    found = Witness(caplog)
    yield found
    leaks = [told for told in found.heard() if SECRET in told]
    assert not leaks, leaks[:3]
    assert min(found.counts[1:]) > 0, "nobody listened"


def test_no_verb_tells_what_it_was_given(witness: Witness, path: str, tmp_path: Path) -> None:
    export = str(tmp_path / "out.jsonl")
    with witness.open(path) as mem:
        mem.add(SAID, user_id="ana", id="a", name=SECRET, metadata={SECRET: SECRET})
        mem.add([{"role": "user", "content": SAID, "metadata": {"k": SECRET}}], user_id="ben")
        mem.add_batch([SAID, {"content": f"{SAID} too", "name": SECRET}], user_id="cleo")
        assert mem.search(SECRET, user_id="ana", filter={SECRET: SECRET}, explain=True)
        assert mem.get("a")
        assert mem.list(user_id="ana", filter={SECRET: {"$contains": SECRET}})
        mem.update("a", text=f"{SAID} now", metadata={"k": SECRET})
        assert mem.history("a")
        mem.warm(user_id="ana", queries=[SECRET])
        mem.stats()
        mem.flush()
        assert mem.verify().ok
        mem.repair()
        mem.jobs()
        mem.retry_jobs()
        mem.export(export)
        mem.backup(str(tmp_path / "copy.db"))
        mem.reembed("static")
        mem.delete(user_id="ben", filter={"k": SECRET})
        mem.purge(user_id="ana")
    with witness.open(str(tmp_path / "other.db"), embedder="static") as other:
        assert other.import_(export) == 4


async def test_no_awaited_verb_tells_it_either(witness: Witness, path: str) -> None:
    async with witness.open(path) as mem:
        await mem.aadd(SAID, user_id="ana", id="a", metadata={SECRET: SECRET})
        await mem.aadd_batch([SAID], user_id="ben")
        assert await mem.asearch(SECRET, user_id="ana")
        await mem.aupdate("a", text=f"{SAID} now")
        await mem.apurge(user_id="ana")


WRONG: dict[str, Callable[[AgentMemory], object]] = {
    "a text that is too long": lambda m: m.add(SECRET * 100, user_id="ana"),
    "a text with half a character": lambda m: m.add(f"{SECRET}\ud800", user_id="ana"),
    "a text with a NUL": lambda m: m.add(f"{SECRET}\0", user_id="ana", role="user\0"),
    "a content that is none": lambda m: m.add({"content": {"type": SECRET}}, user_id="ana"),
    "parts that are none": lambda m: m.add({"content": [{"type": "image", "data": SECRET}]}, user_id="ana"),
    "a text that is a number of texts": lambda m: m.update("a", text=[SECRET]),  # type: ignore[arg-type]
    "metadata that are no JSON": lambda m: m.add("x", user_id="ana", metadata={SECRET: {SECRET}}),
    "metadata of no object": lambda m: m.add("x", user_id="ana", metadata=[SECRET]),  # type: ignore[arg-type]
    "metadata with an impossible number": lambda m: m.add("x", user_id="ana", metadata={SECRET: float("nan")}),
    "metadata that are too deep": lambda m: m.add("x", user_id="ana", metadata=deep({SECRET: SECRET})),
    "metadata that are too large": lambda m: m.add("x", user_id="ana", metadata={SECRET: SECRET * 200_000}),
    "a question that is none": lambda m: m.search([SECRET], user_id="ana"),  # type: ignore[arg-type]
    "a question that is too long": lambda m: m.search(SECRET * 100, user_id="ana"),
    "a question with a wrong k": lambda m: m.search(SECRET, user_id="ana", k=0),
    "a question of nobody": lambda m: m.search(SECRET),
    "a memory of nobody": lambda m: m.add(SAID),
    "a batch with a bad item": lambda m: m.add_batch([SAID, {"content": SECRET * 100}], user_id="ana", on_error="raise"),
    "a batch that is one text": lambda m: m.add_batch(SAID, user_id="ana"),  # type: ignore[arg-type]
    "an update to what is known": lambda m: m.update("b", text=SAID),
    "an update of nothing": lambda m: m.update("nobody", text=SAID),
    "a bound view of another user": lambda m: bound(m).add(SAID, user_id="ben"),
    "a mode without its model": lambda m: m.add(SAID, user_id="ana", mode="intelligent"),
}


def deep(value: Any) -> dict[str, Any]:
    for _ in range(500):
        value = {"a": value}
    return dict(value)


def bound(mem: AgentMemory) -> UserMemory:
    return mem.for_user("ana")


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_call_is_told_without_what_was_in_it(wrong: str, witness: Witness, path: str) -> None:
    with witness.open(path, text_limit=500) as mem:
        mem.add(SAID, user_id="ana", id="a")
        mem.add("something else", user_id="ana", id="b")
        witness.fails(lambda: WRONG[wrong](mem))


def test_refused_items_of_a_batch_are_told_without_their_words(witness: Witness, path: str) -> None:
    with witness.open(path, text_limit=50) as mem:
        results = mem.add_batch(
            [SECRET * 10, {"content": SAID, "metadata": {SECRET: object()}}, {"content": SAID, "k": SECRET}], user_id="ana"
        )
        witness.note(*(result.error for result in results))


class TalkativeEmbedder(HashEmbedder):
    """Puts what it was given into its errors, as many clients do."""

    talks = True

    def embed_documents(self, texts: Any) -> Any:
        if self.talks:
            raise ValueError(f"cannot embed {list(texts)}")
        return super().embed_documents(texts)

    def embed_query(self, text: str) -> Any:
        raise ValueError(f"cannot embed {text!r}")


@pytest.mark.parametrize(
    "embedder", [TalkativeEmbedder(), FailingEmbedder(), LyingEmbedder("nan"), LyingEmbedder("short")], ids=lambda e: type(e).__name__
)
def test_a_bad_embedder_tells_nobody(embedder: Any, witness: Witness, path: str) -> None:
    with witness.open(path, embedder=embedder) as mem:
        assert mem.add(SAID, user_id="ana").status == "queued"
        mem.flush()
        witness.fails(lambda: mem.search(SECRET, user_id="ana", using="vector"))
        witness.fails(lambda: mem.warm(user_id="ana", queries=[SECRET]))


@pytest.mark.parametrize(
    "answer",
    [
        SECRET,
        json.dumps({"facts": [{"text": SECRET, "sources": [99], "importance": SECRET}]}),
        json.dumps({SECRET: SECRET}),
        f'{{"facts": [{{"text": "{SECRET}',
        ValueError(SECRET),
        None,
    ],
    ids=["words", "wrong types", "another object", "cut", "an error", "nothing"],
)
def test_a_bad_language_model_tells_nobody(answer: Any, witness: Witness, path: str) -> None:
    def model(prompt: str) -> Any:
        assert SECRET in prompt
        if isinstance(answer, Exception):
            raise answer
        return answer

    with witness.open(path, llm=model, mode="intelligent") as mem:
        result = mem.add(SAID, user_id="ana")
        mem.flush()
        if result.error is not None:
            witness.note(result.error, *(job.error for job in mem.jobs()))


@pytest.mark.parametrize("fault", ["400", "401", "429-quota", "500", "malformed", "empty", "drop", "cut"])
def test_an_endpoint_that_quotes_input_and_key_is_not_quoted(fault: Any, witness: Witness, path: str) -> None:
    with OpenAIServer() as server:
        server.fail_always(fault)
        options = {"base_url": server.base_url, "api_key": f"sk-{SECRET}", "max_retries": 0, "timeout_s": 5.0}
        chat, embedder = OpenAIChat("stub", **options), OpenAIEmbedder("stub", dimensions=8, **options)
        witness.note(repr(chat), repr(embedder))
        with witness.open(path, embedder=None, llm=chat) as mem:
            result = mem.add(SAID, user_id="ana", mode="intelligent")
            witness.note(result.error, *(job.error for job in mem.jobs()))
            witness.fails(lambda: mem.reembed(embedder))
        asyncio.run(chat.close())
        embedder.close()


def test_what_does_not_fit_is_told_without_content(witness: Witness, path: str, tmp_path: Path) -> None:
    with witness.open(path) as mem:
        mem.add(SAID, user_id="ana", id="a", metadata={"k": SECRET})
        mem.export(tmp_path / "out.jsonl", vectors=True)
        witness.fails(lambda: mem.export(tmp_path / "out.jsonl"))
    witness.fails(lambda: witness.open(path, embedder="static"))
    witness.fails(lambda: witness.open(path, twins="keep"))
    with witness.open(str(tmp_path / "other.db"), embedder="static") as other:
        witness.fails(lambda: other.import_(tmp_path / "out.jsonl"))
    with witness.open(str(tmp_path / "third.db")) as third:
        third.add("not the same", user_id="ana", id="a")
        witness.fails(lambda: third.import_(tmp_path / "out.jsonl"))
    with witness.open(str(tmp_path / "closed.db")) as closed:
        pass
    witness.fails(lambda: closed.add(SAID, user_id="ana"))


@pytest.mark.parametrize(
    "line",
    [
        f'{{"id": "x", "text": {{"{SECRET}": 1}}, "user_id": "ana", "kind": "episode"}}',
        f'{{"id": "x", "text": "{SECRET}", "unknown": "{SECRET}"}}',
        f'{{"id": "x", "text": "{SECRET}", "metadata": "{SECRET}"}}',
        f'{{"id": "x", "text": "{SECRET}',
        SECRET,
        f'["{SECRET}"]',
    ],
    ids=["a text that is none", "an unknown field", "metadata that are none", "a cut line", "no JSON", "no object"],
)
def test_a_damaged_export_is_told_by_its_line(line: str, witness: Witness, path: str) -> None:
    file = io.BytesIO()
    with witness.open(path) as mem:
        mem.export(file)
        head = file.getvalue().splitlines()[0]
        witness.fails(lambda: mem.import_(io.BytesIO(head.replace(b'"memories":0', b'"memories":1') + b"\n" + line.encode() + b"\n")))


def test_a_file_that_is_none_or_damaged_is_told_without_its_content(witness: Witness, path: str, tmp_path: Path) -> None:
    letter = tmp_path / "letter.db"
    letter.write_text(f"Dear Ana, {SAID}. " * 200)
    witness.fails(lambda: witness.open(str(letter)))
    with witness.open(path) as mem:
        mem.add_batch([f"{SAID} {n}" for n in range(200)], user_id="ana")
    content = bytearray(Path(path).read_bytes())
    for page in range(3 * 8_192, len(content), 4 * 8_192):
        content[page : page + 60] = (SECRET * 6).encode()
    Path(path).write_bytes(content)
    try:
        with witness.open(path) as mem:
            report = mem.verify()
            witness.note(*report.findings, *(finding.advice for finding in report.findings))
            witness.note(*(finding for finding in mem.repair().findings))
            mem.search(SECRET, user_id="ana")
    except AgentMemError as error:
        witness.note(error)


@pytest.mark.parametrize(
    "words",
    [
        ["add", SECRET * 20_000],
        ["add", "x", "--metadata", f'["{SECRET}"]'],
        ["add", "x", "--metadata", f'{{"{SECRET}": '],
        ["add", SAID, "--embedder", "static", "--namespace", "hashed"],
        ["search", SECRET, "--namespace", "hashed"],
        ["search", SECRET, "--filter", f'{{"a": {{"$near": "{SECRET}"}}}}'],
        ["update", "nobody", "--text", SAID],
        ["get", "nobody"],
        ["doctor", "--embedder", "fastembed:x"],
        ["config"],
    ],
    ids=lambda words: " ".join(words)[:40].replace(SECRET, "..."),
)
def test_the_command_line_tells_no_content_on_stderr_and_no_key_at_all(
    words: list[str], witness: Witness, path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"sk-{SECRET}")
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://ana:{SECRET}@localhost:1/v1")
    with witness.open(path, namespace="hashed") as mem:
        mem.add("something", user_id="ana")
        mem.collection("default", embedder=None)
    whose = [] if words[0] in ("doctor", "config") else ["--user", "ana"]
    status = main([*words, *whose, "--db", path])
    told = capsys.readouterr()
    assert status == (0 if words[0] in ("config", "doctor") else 2)
    witness.note(told.err, told.out)
