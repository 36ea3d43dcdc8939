"""The embedder is changed while words are being thought about: whoever said them need not know."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from intelligent.says import Says

from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import BlockingEmbedder, HashEmbedder


class BlocksAt(BlockingEmbedder):
    """Waits inside the call that embeds a certain text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def embed_documents(self, texts: Sequence[str]) -> Any:
        return super().embed_documents(texts) if self.text in texts else HashEmbedder.embed_documents(self, texts)


@pytest.mark.parametrize("text", ["I moved to Lisbon.", "Ana lives in Lisbon."], ids=["the words", "the fact"])
def test_what_the_old_embedder_still_has_in_hand_is_kept_and_owed_the_new_ones_vector(
    thinking: Callable[..., AgentMemory], text: str
) -> None:
    old = BlocksAt(text)
    mem = thinking(Says({"I moved to Lisbon.": ["Ana lives in Lisbon."], "I like tea.": ["Ana likes tea."]}), embedder=old)
    mem.add("I like tea.", user_id="ana")
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(mem.add("I moved to Lisbon.", user_id="ana")))
    thread.start()
    assert old.entered.wait(30)
    mem.reembed(HashEmbedder(24, "next"))
    old.released.set()
    thread.join(30)
    assert [event.memory.text for event in results[0].events] == ["I moved to Lisbon.", "Ana lives in Lisbon."]
    assert mem.flush() == 0
    assert mem.verify().ok
    assert len(mem.search("Lisbon", user_id="ana", using="vector")) == 4
