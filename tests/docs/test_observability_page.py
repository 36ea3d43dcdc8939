"""docs/observability.md explains every key of stats(), every logger and every attribute of a span, and none that is not there."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.chat import RuleChat
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder
from agentmem_integrations.tracing import OPERATIONS, OWNERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
COUNTERS = PAGE[PAGE.index("## Counters") :]
NAMED = {"jobs": "jobs.<kind>.<state>", "collections": "collections.<namespace>"}  # their keys are data


def keys(figures: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in figures.items():
        if name in NAMED:
            yield NAMED[name]
        elif isinstance(value, Mapping):
            yield from keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def counted(path: str) -> set[str]:
    """Return every key that stats can have: with a queue, with a language model, for one owner."""
    with AgentMemory(path, embedder=HashEmbedder(), llm=RuleChat(), namespace="other") as mem:
        mem.add("I live in Porto", user_id="ana", mode="intelligent")
        return set(keys(mem.stats())) | set(keys(mem.stats(user_id="ana")))


def documented() -> set[str]:
    rows = re.findall(r"^\| (`.*?`) \|", COUNTERS, flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_key_of_stats_is_on_the_page_and_no_other(path: str) -> None:
    assert sorted(documented()) == sorted(counted(path))


def test_jobs_are_counted_as_the_page_says(path: str) -> None:
    with AgentMemory(path, embedder=FailingEmbedder()) as mem:
        mem.add("tea", user_id="ana")
        (key,) = mem.stats()["jobs"]
    kind, state = key.split(".")
    assert f"`{kind}`" in COUNTERS
    assert f"`{state}`" in COUNTERS


def test_every_logger_is_on_the_page_and_no_other() -> None:
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "agentmem_integrations").rglob("*.py")]
    there = {name for source in sources for name in re.findall(r'getLogger\("([\w.]+)"\)', source)}
    assert set(re.findall(r"^\| `(agentmem\.\w+)` \|(?=.*\|.*\|)", PAGE[: PAGE.index("## Spans")], flags=re.MULTILINE)) == there


def test_every_operation_and_attribute_is_on_the_page() -> None:
    source = (ROOT / "agentmem_integrations" / "tracing.py").read_text(encoding="utf-8")
    attributes = set(re.findall(r'"((?:gen_ai|agentmem|error|user)\.[a-z_.]+[a-z])"', source)) - {"agentmem.memory"}  # the logger
    assert len(attributes) > 8
    assert [name for name in sorted({*attributes, *OPERATIONS.values(), *OWNERS.values()}) if f"`{name}`" not in PAGE] == []
