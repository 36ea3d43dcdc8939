"""Items of agent frameworks: JSON values under a key in a path, and what can be asked of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Path = tuple[str, ...]
"""Where items lie: `("users", "ana")`. A prefix of it names all that lies there or deeper; `()` names everything."""


@dataclass(slots=True)
class Item:
    """A stored item.

    Times are aware datetimes in UTC.

    Attributes:
        path: Where it lies.
        key: Its name there.
        value: Its JSON value; the caller's own copy.
        created_at: When it was first put.
        updated_at: When it was last put.
        expires_at: From then on it is invisible; None means never.
        score: Cosine of the best of its vectors with the question, -1 to 1; None if there was no question, or it has no vector.
    """

    path: Path
    key: str
    value: Any
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class ItemGet:
    """Read one item.

    Attributes:
        path: Where.
        key: Which.
        refresh: If it expires, it lives its full time again from now.
    """

    path: Path
    key: str
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class ItemSearch:
    """Find items at or below a path.

    With a question: the nearest first, equal ones in the order they were first put, then those without a vector. Without one: in the
    order they were first put. Pages of one state are complete and do not overlap.

    Attributes:
        prefix: Whole labels; `("users",)` does not name what lies at `("users2",)`.
        query: The question; None for none.
        filter: Condition on the value, see `item_filters`.
        limit: Items wanted, behind `offset` others; 0 or more.
        offset: Items to skip.
        refresh: As in `ItemGet`, for all that are returned.
    """

    prefix: Path
    query: str | None = None
    filter: Mapping[str, Any] | None = None
    limit: int = 10
    offset: int = 0
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class PathMatch:
    """A path begins, or ends, with these labels; the label `*` stands for any one."""

    where: Literal["prefix", "suffix"]
    path: Path


@dataclass(frozen=True, slots=True)
class ItemPaths:
    """List the paths at which there are items, sorted.

    Attributes:
        matches: What must hold of a path.
        max_depth: Longer paths are cut to so many labels, and named once; None leaves them whole.
        limit: Paths wanted, behind `offset` others.
        offset: Paths to skip.
    """

    matches: tuple[PathMatch, ...] = ()
    max_depth: int | None = None
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ItemPut:
    """Store an item, or replace it.

    Attributes:
        path: Where; not empty.
        key: Which.
        value: A JSON object.
        texts: What it is to be found by, by name: each text becomes a vector. Empty: it is found by filters and paths alone. Or a
            function that returns them of the value as it is stored.
        ttl: Minutes that it lives from now; None for ever.
    """

    path: Path
    key: str
    value: Mapping[str, Any]
    texts: Mapping[str, str] | Callable[[dict[str, Any]], Mapping[str, str]] = field(default_factory=dict)
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class ItemDelete:
    """Delete an item; it need not be there. Unlike a memory it leaves no tombstone."""

    path: Path
    key: str


ItemRead = ItemGet | ItemSearch | ItemPaths
ItemOp = ItemRead | ItemPut | ItemDelete
ItemAnswer = Item | list[Item] | list[Path] | None
"""Of `ItemGet` the item, or None; of `ItemSearch` and `ItemPaths` a list; of the others None."""
