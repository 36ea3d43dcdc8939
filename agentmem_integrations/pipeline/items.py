"""The hallway of items: check -> embed -> read -> write.

All questions of a batch are answered from one snapshot, as it was before the batch; all its changes are one transaction. Texts and
questions are embedded before either.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ..config import ITEM_LIMIT, TEXT_LIMIT
from ..errors import EmbeddingError, FilterError, InvalidInputError, shown
from ..filters import check_json
from ..item_filters import check_item_filter
from ..models import Item, ItemAnswer, ItemDelete, ItemGet, ItemOp, ItemPaths, ItemPut, ItemRead, ItemSearch, Path
from ..ports import TEXT_FIELD, Embedder, PutItem, Store, TouchItems, Vector, WriteItems
from .arguments import plain_json, read_choice, read_name
from .embedded_text import key_of, vectors_of
from .write_stages.batching import Write
from .write_stages.commit import one
from .write_stages.embed import Writing

LABELS: Final = 100
"""Labels in a path."""

Place = tuple[Path, str]


@dataclass(slots=True)
class Batch:
    """What a caller wants, checked.

    Attributes:
        reads: Questions by their position in the call.
        changes: The last change of each item, in order.
        texts: What each of these is to be found by.
        size: How many operations the call has.
    """

    reads: dict[int, ItemRead] = field(default_factory=dict)
    changes: dict[Place, PutItem | ItemDelete] = field(default_factory=dict)
    texts: dict[Place, dict[str, str]] = field(default_factory=dict)
    size: int = 0

    @property
    def expires(self) -> bool:
        """Say whether something is stored that will expire."""
        return any(isinstance(change, PutItem) and change.ttl is not None for change in self.changes.values())

    def add(self, place: Place, change: PutItem | ItemDelete, texts: dict[str, str]) -> None:
        """Add a change, in place of what was to be done to the item before."""
        self.changes.pop(place, None)
        self.texts.pop(place, None)
        self.changes[place] = change
        if texts:
            self.texts[place] = texts


def checked(ops: Sequence[ItemOp]) -> Batch:
    """Read what a caller passes.

    Raises:
        InvalidInputError: an operation that makes no sense; nothing of the batch is done.
    """
    batch = Batch(size=len(ops))
    for position, op in enumerate(ops):
        match op:
            case ItemGet():
                _place(op.path, op.key)
                batch.reads[position] = op
            case ItemSearch():
                batch.reads[position] = _search(op)
            case ItemPaths():
                batch.reads[position] = _paths(op)
            case ItemPut():
                batch.add(_place(op.path, op.key), *_put(op))
            case ItemDelete():
                batch.add(_place(op.path, op.key), ItemDelete(tuple(op.path), op.key), {})
            case _:
                raise InvalidInputError(f"{shown(op)} is no operation on items: pass ItemGet, ItemSearch, ItemPaths, ItemPut or ItemDelete")
    return batch


def read_path(path: Any, what: str) -> Path:
    """Return a path of items, or a prefix of one.

    Raises:
        InvalidInputError: no tuple of labels.
    """
    if not isinstance(path, tuple | list) or len(path) > LABELS:
        raise InvalidInputError(f"{what}={shown(path)}: pass a tuple of labels such as ('users', 'ana'), {LABELS} at most")
    return tuple(str(read_name("" if label is None else label, f"a label of {what}")) for label in path)


def read_value(value: Any) -> dict[str, Any]:
    """Return the value of an item, made of dicts and lists alone: a copy, as it will be read back but for the order of keys.

    Raises:
        InvalidInputError: no JSON object, or what JSON cannot give back unchanged.
    """
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"the value of an item is a {type(value).__name__}: pass a dict")
    try:
        check_json(value, "the value", ITEM_LIMIT)
    except FilterError as error:
        raise InvalidInputError(str(error)) from None
    return {key: plain_json(inner) for key, inner in value.items()}


def _place(path: Any, key: Any) -> Place:
    if not read_path(path, "the path"):
        raise InvalidInputError("the path is empty: an item lies at one label or more, such as ('users', 'ana')")
    return tuple(path), str(read_name("" if key is None else key, "the key"))


def _search(op: ItemSearch) -> ItemSearch:
    read_path(op.prefix, "the prefix")
    _window(op.limit, op.offset)
    if op.query is not None and not isinstance(op.query, str):
        raise InvalidInputError(f"the query is a {type(op.query).__name__}: pass a text, or None")
    return ItemSearch(tuple(op.prefix), op.query or None, check_item_filter(op.filter), op.limit, op.offset, op.refresh)


def _paths(op: ItemPaths) -> ItemPaths:
    _window(op.limit, op.offset)
    if op.max_depth is not None:
        _whole(op.max_depth, "max_depth")
    for match in op.matches:
        read_choice(match.where, "where a path is to match", ("prefix", "suffix"))
        read_path(match.path, "the path to match")
    return op


def _put(op: ItemPut) -> tuple[PutItem, dict[str, str]]:
    value, ttl = read_value(op.value), op.ttl
    if ttl is not None:
        if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 < ttl < math.inf:
            raise InvalidInputError(f"ttl={shown(ttl)}: pass a positive number of minutes, or None for an item that never expires")
        try:
            datetime.now(UTC) + timedelta(minutes=ttl)
        except OverflowError:
            raise InvalidInputError(f"ttl={shown(ttl)} minutes end after the year 9999: pass None for an item that never expires") from None
    return PutItem(tuple(op.path), op.key, value, ttl), _texts(op.texts(value) if callable(op.texts) else op.texts)


def _texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts that can be embedded: what is blank means nothing."""
    return {str(read_name(name, "the name of a text")): text for name, text in texts.items() if text and not text.isspace()}


def _window(limit: Any, offset: Any) -> None:
    _whole(limit, "limit")
    _whole(offset, "offset")


def _whole(value: Any, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidInputError(f"{what}={shown(value)}: pass a whole number from 0")


@dataclass(slots=True)
class ItemHallway:
    """Reads and writes the items of one collection.

    Args:
        store: Where they live.
        writing: The way of changes to it.
        namespace: The collection.
    """

    store: Store
    writing: Writing
    namespace: str

    def read(self, batch: Batch) -> list[ItemAnswer]:
        """Answer the questions of a batch, and let what was read live its full time again."""
        answers: list[ItemAnswer] = [None] * batch.size
        if not batch.reads:
            return answers
        embedder, now = self.writing.embedder, datetime.now(UTC)
        questions = dict.fromkeys(read.query for read in batch.reads.values() if isinstance(read, ItemSearch) and read.query)
        # Without an owner: the question is not kept in the file, where it would outlive what it was asked about
        made: dict[str | None, Vector] = {} if embedder is None else {text: embedder.embed_query(text) for text in questions if text}
        vectors = [made.get(read.query) if isinstance(read, ItemSearch) else None for read in batch.reads.values()]
        identity = embedder.identity if embedder is not None and made else None
        found = self.store.read_items(self.namespace, list(batch.reads.values()), vectors, identity)
        read_again = list[Place]()
        for (position, read), answer in zip(batch.reads.items(), found, strict=True):
            answers[position] = answer
            if not isinstance(read, ItemPaths) and read.refresh:
                read_again += _expiring(answer)
        if read_again:  # nobody waits for it: it shares the next transaction
            self.writing.commits.stage.put([Write([TouchItems(self.namespace, read_again, now)], lambda outcomes: None)])
        return answers

    def write(self, batch: Batch, answers: list[ItemAnswer]) -> Write[list[ItemAnswer]]:
        """Return the change that a batch is, its texts embedded; `answers` is its result.

        Raises:
            EmbeddingError: the embedder failed; nothing is stored.
        """
        embedder = self.writing.embedder
        texts = {} if embedder is None else batch.texts
        if embedder is not None and texts:
            vectors = _embedded(embedder, texts.values())
            for place, named in texts.items():
                change = batch.changes[place]
                assert isinstance(change, PutItem), "only what is put has texts"
                _give(change, named, vectors, embedder)
        made_by = embedder.identity if embedder is not None and texts else None

        def finish(outcomes: list[Any]) -> list[ItemAnswer]:
            one(outcomes)
            return answers

        return Write([WriteItems(self.namespace, list(batch.changes.values()), made_by)], finish)


def _embedded(embedder: Embedder, named: Iterable[Mapping[str, str]]) -> dict[str, Vector]:
    """Return the vector of every text, each embedded once."""
    texts = list(dict.fromkeys(text for texts in named for text in texts.values()))
    found: dict[str, Vector] = {}
    for text, vector in zip(texts, vectors_of(embedder, texts), strict=True):
        if isinstance(vector, EmbeddingError):
            raise vector
        found[text] = vector
    return found


def _give(put: PutItem, texts: Mapping[str, str], vectors: Mapping[str, Vector], embedder: Embedder) -> None:
    """Give an item the vectors of its texts."""
    (text, *others) = texts.values()
    if not others and len(text) <= TEXT_LIMIT:
        # Kept beside its vector: then another embedder can make that anew
        put.text, put.vectors = text, {TEXT_FIELD: vectors[text]}
        put.kept = key_of(embedder, text)
    else:
        put.vectors = {f"$.{name}": vectors[text] for name, text in texts.items()}  # none of them is called TEXT_FIELD


def _expiring(answer: ItemAnswer) -> list[Place]:
    items = answer if isinstance(answer, list) else [answer]
    return [(item.path, item.key) for item in items if isinstance(item, Item) and item.expires_at is not None]
