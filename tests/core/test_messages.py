"""Messages as chat APIs and frameworks send them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from agentmem_integrations import AgentMemory, TextError
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]
CALL: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "weather"}}]}


def test_a_message_that_only_calls_a_tool_is_passed_over(mem: AgentMemory) -> None:
    result = mem.add([{"role": "user", "content": "Will it rain?"}, CALL, {"role": "tool", "content": "Yes"}], user_id="ana")
    assert [event.memory.text for event in result.events] == ["Will it rain?", "Yes"]


def test_a_call_without_any_words_stores_nothing_and_says_so(mem: AgentMemory) -> None:
    result = mem.add([CALL], user_id="ana")
    assert (result.events, result.status) == ([], "nothing")
    assert mem.list(user_id="ana") == []


def test_a_batch_answers_a_message_without_words_with_nothing(mem: AgentMemory) -> None:
    results = mem.add_batch(["one", CALL, "two"], user_id="ana")
    assert [(result.status, result.error) for result in results] == [("done", None), ("nothing", None), ("done", None)]


def test_a_message_without_words_and_without_a_call_is_refused(mem: AgentMemory) -> None:
    with pytest.raises(TextError, match="NoneType"):
        mem.add({"role": "user", "content": None}, user_id="ana")


@dataclass
class FrameworkMessage:
    """Shaped as LangChain's messages are."""

    content: Any
    type: str
    name: str | None = None
    tool_calls: list[Any] = field(default_factory=list)


def test_a_frameworks_message_brings_its_role_and_name(mem: AgentMemory) -> None:
    mem.add([FrameworkMessage("hello", "human", "Ana"), FrameworkMessage("hi", "ai")], user_id="ana")
    assert [(m.text, m.role, m.name) for m in mem.list(user_id="ana")] == [("hello", "user", "Ana"), ("hi", "assistant", None)]


def test_parts_of_a_content_are_joined(mem: AgentMemory) -> None:
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "x"}}, "here"]
    mem.add({"role": "user", "content": parts}, user_id="ana")
    assert mem.list(user_id="ana")[0].text == "look\nhere"


@pytest.mark.parametrize(("stored", "asked"), [("ﾗｰﾒﾝが好き", "ラーメン"), ("ラーメンが好き", "ﾗｰﾒﾝ"), ("Ｌｉｓｂｏｎ", "lisbon")])
def test_half_and_full_width_letters_are_the_same_words(mem: AgentMemory, stored: str, asked: str) -> None:
    mem.add(stored, user_id="ana")
    assert [hit.memory.text for hit in mem.search(asked, user_id="ana", using="text")] == [stored]


class Compass(HashEmbedder):
    """East, north, and west."""

    def embed_documents(self, texts: Any) -> Any:
        return [{"east": [1.0, 0.0], "west": [-1.0, 0.0], "south-west": [-0.6, -0.8]}[text] for text in texts]

    def embed_query(self, text: str) -> Any:
        return [1.0, 0.0]


def test_opposite_meanings_rank_behind_less_opposite_ones(url: str, opened: Opened) -> None:
    mem = opened(url, embedder=Compass(dim=2))
    mem.add(["west", "south-west", "east"], user_id="ana")
    hits = mem.search("where the sun rises", user_id="ana", using="vector")
    assert [hit.memory.text for hit in hits] == ["east", "south-west", "west"]
