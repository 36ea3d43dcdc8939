"""How chat messages lie in a collection: as rows of words, with the whole message as JSON in their metadata."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store.base_db import MessageStatus
from pydantic_core import to_jsonable_python

from ..models import Memory
from ..pipeline.ids import new_id
from .messages import words_of

PIECE: Final = 400_000  # characters of JSON in one row: a megabyte of metadata holds them even where each is escaped
CONTINUED: Final = "(continued)"


# A message's status is the kind of its rows: a column, so that no other message's metadata need be read to find it
KINDS: Final = {MessageStatus.ACTIVE: "working", MessageStatus.ARCHIVED: "episode"}


@dataclass(slots=True)
class StoredMessage:
    """A message as it is stored: one row, or several for one with a picture, say.

    Attributes:
        rows: They, in order.
    """

    rows: list[Memory] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether all of its rows are here."""
        return len(self.rows) == int(self.rows[0].metadata["pieces"])

    @property
    def kind(self) -> str:
        """That of its status."""
        return self.rows[0].kind

    def read(self) -> ChatMessage:
        """Return the message, a new one each time."""
        return ChatMessage.model_validate(json.loads("".join(row.metadata["json"] for row in self.rows)))


def rows_of(message: ChatMessage, status: MessageStatus) -> list[dict[str, Any]]:
    """Return the rows that a message becomes, as items of `AgentMemory.add`.

    What in `additional_kwargs` is no JSON is stored as its text. The JSON is ASCII, so that it holds any string, also one that is
    no valid Unicode.
    """
    whole = json.dumps(to_jsonable_python(message, fallback=str))
    pieces = [whole[start : start + PIECE] for start in range(0, len(whole), PIECE)]
    role, id = message.role.value, new_id()
    words = words_of(message) or f"({role})"
    return [
        {
            "content": words if number == 0 else CONTINUED,
            "role": role,
            "kind": KINDS[status],
            "metadata": {"message": id, "piece": number, "pieces": len(pieces), "json": piece},
        }
        for number, piece in enumerate(pieces)
    ]


def stored_messages(rows: Iterable[Memory]) -> Iterator[StoredMessage]:
    """Return the messages that rows hold, in the order of their first rows; without those whose rows are not all there."""
    found: dict[str, StoredMessage] = {}
    for row in rows:
        found.setdefault(row.metadata["message"], StoredMessage()).rows.append(row)
    return (message for message in found.values() if message.whole)
