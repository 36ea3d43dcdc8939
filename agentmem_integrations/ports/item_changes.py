"""Changes that items of agent frameworks need. What is read of them is asked in the words of `models.item`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..models import Identity, ItemDelete, Path
from .embedder import Vector


@dataclass(slots=True)
class PutItem:
    """Store an item in place of what is there under its key. A live one keeps the time it was first put, and its place.

    Attributes:
        path: Where.
        key: Which.
        value: JSON.
        ttl: Minutes that it lives; None for ever. They begin anew with every refresh.
        text: What the vector `TEXT_FIELD` was made of, so that another embedder can make it anew; empty if there is none.
        vectors: By field name.
        kept: As `Insert.key`.
    """

    path: Path
    key: str
    value: Any
    ttl: float | None = None
    text: str = ""
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    kept: bytes | None = None


@dataclass(slots=True)
class WriteItems:
    """Put and delete items of one collection, all or none; answered with how many were put, replaced or deleted.

    Attributes:
        namespace: The collection.
        items: In order; each key of a path once.
        made_by: As in `Insert`.
    """

    namespace: str
    items: Sequence[PutItem | ItemDelete]
    made_by: Identity | None = None


@dataclass(slots=True)
class TouchItems:
    """These items were read at an instant: from then on they live their full time again, if they expire at all.

    Attributes:
        namespace: The collection.
        items: Path and key of each.
        at: The instant.
    """

    namespace: str
    items: Sequence[tuple[Path, str]]
    at: datetime


@dataclass(slots=True)
class PurgeItems:
    """Erase items, their vectors, and the names of their paths; answered with how many items.

    Attributes:
        namespace: The collection.
        prefix: At this path, or below it.
        label: Only where the path has this label, anywhere; None: wherever.
    """

    namespace: str
    prefix: Path = ()
    label: str | None = None
