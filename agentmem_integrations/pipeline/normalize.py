"""normalize: whatever callers pass becomes episodes."""

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ..errors import InvalidInputError, ScopeError, TextError, shown
from ..models import SHARED, Identity, UserId
from ..ports import Vector
from .arguments import (
    read_expiry,
    read_fraction,
    read_kind,
    read_metadata,
    read_moment,
    read_name,
    read_text,
    read_value,
    read_vector,
    words_of,
)

ITEM_KEYS: Final = frozenset(
    "content text id role name timestamp user_id session_id agent_id metadata kind importance ttl expires_at vector value".split()
)
# What chat APIs put into their messages beside the words; it is not memory
MESSAGE_KEYS: Final = frozenset("type tool_calls tool_call_id function_call refusal annotations audio additional_kwargs".split())
_ROLES: Final = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant", "HumanMessageChunk": "user"}

Item = str | Mapping[str, Any] | Any
"""A text, a message or memory dict, or a LangChain message."""


@dataclass(slots=True)
class Episode:
    """What was said or happened, verbatim, with time, speaker and source."""

    text: str
    id: str | None = None
    role: str | None = None
    name: str | None = None
    occurred_at: datetime | None = None
    agent_id: str | None = None
    session_id: str | None = None
    metadata: dict[str, Any] | None = None
    kind: str = "episode"
    importance: float | None = None
    expires_at: datetime | None = None
    vector: Vector | None = None
    value: Any = None


@dataclass(slots=True)
class Common:
    """What holds for every item of a call that does not say otherwise, and the limits.

    Attributes:
        fields: Keyword arguments of the call, under the names of `ITEM_KEYS`, without those that are None.
        user_id: The call's owner.
        now: The instant of the call.
        text_limit: Characters in one text.
        truncate: Cut longer texts instead of refusing them.
        identity: Which embedder makes the vectors here; None if there is none.
    """

    fields: Mapping[str, Any]
    user_id: UserId
    now: datetime
    text_limit: int
    truncate: bool = False
    identity: Identity | None = None


def items_of(content: Any) -> Sequence[Item]:
    """Return the items of one `add`: a list stays one, anything else is a list of one."""
    if isinstance(content, str | Mapping) or hasattr(content, "content"):
        return [content]
    if isinstance(content, Iterable) and not isinstance(content, bytes | bytearray):
        items = [_item(item) for item in content]
        if not items:
            raise TextError("the list is empty: there is nothing to remember")
        return items
    raise TextError(f"cannot remember a {type(content).__name__}: pass a string, a message dict, or a list of them")


def episode_of(item: Item, common: Common) -> Episode | None:
    """Return the episode that an item tells; None for a message that only calls a tool and says nothing.

    Raises:
        InvalidInputError: a value that cannot be stored, named with the way out.
    """
    if isinstance(item, str) and not common.fields:
        return Episode(read_text(item, common.text_limit, common.truncate))
    own = _mapping(item)
    if _is_empty(own.get("content", own.get("text"))) and not all(_is_empty(own.get(call)) for call in ("tool_calls", "function_call")):
        return None
    if (user := own.get("user_id")) is not None and (user if user is SHARED else read_name(user, "user_id")) != common.user_id:
        raise ScopeError(f"the item says user_id={shown(user)}, the call {shown(common.user_id)}: use one call for each user")
    merged = {**common.fields, **{k: v for k, v in own.items() if v is not None}}
    text = words_of(merged.get("content", merged.get("text")))
    metadata = merged.get("metadata")
    if (given := common.fields.get("metadata")) is not None and metadata is not given:
        metadata = {**read_metadata(given), **read_metadata(metadata)}
    vector = merged.get("vector")
    return Episode(
        read_text(text, common.text_limit, common.truncate),
        read_name(merged.get("id"), "id"),
        read_name(merged.get("role"), "role"),
        read_name(merged.get("name"), "name"),
        read_moment(merged.get("timestamp"), "timestamp"),
        read_name(merged.get("agent_id"), "agent_id"),
        read_name(merged.get("session_id"), "session_id"),
        read_metadata(metadata) if metadata is not None else None,
        read_kind(merged.get("kind")),
        read_fraction(merged.get("importance"), "importance"),
        _expiry(merged, own, common.now),
        None if vector is None else read_vector(vector, common.identity.dim if common.identity else None),
        read_value(merged.get("value")),
    )


def _expiry(merged: Mapping[str, Any], own: Mapping[str, Any], now: datetime) -> datetime | None:
    """The item's own ttl or expires_at wins over either of the call's."""
    source = own if own.get("ttl") is not None or own.get("expires_at") is not None else merged
    ttl, expires_at = source.get("ttl"), source.get("expires_at")
    return None if ttl is None and expires_at is None else read_expiry(ttl, expires_at, now)


def _mapping(item: Item) -> Mapping[str, Any]:
    if isinstance(item, str):
        return {"content": item}
    if isinstance(item, Mapping):
        if unknown := [k for k in item if not isinstance(k, str) or (k not in ITEM_KEYS and k not in MESSAGE_KEYS)]:
            known = ", ".join(sorted(ITEM_KEYS))
            raise InvalidInputError(f"unknown key {shown(unknown[0])} in an item: use {known}; anything else belongs into metadata")
        return item
    if isinstance(role := getattr(item, "type", None), str) and hasattr(item, "content"):  # a LangChain message
        said = {"content": item.content, "role": _ROLES.get(role, role), "name": getattr(item, "name", None)}
        return {**said, "tool_calls": getattr(item, "tool_calls", None)}
    raise _no_item(item)


def _item(item: Item) -> Item:
    """Refuse what is certainly no item before the rest of a list is read: `range(10**12)` is a list, too."""
    if item is None or isinstance(item, int | float | bytes):
        raise _no_item(item)
    return item


def _no_item(item: Any) -> TextError:
    return TextError(f"cannot remember a {type(item).__name__}: pass a string or a message such as {{'role': 'user', 'content': '...'}}")


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, Sized) and not len(value))
