"""Nodes of LlamaIndex as documents of the memory, and back: type, relationships and metadata as they were.

A document's text is what an index embeds for its node, `get_content(MetadataMode.EMBED)`: the words behind the metadata that are not
excluded from it. So a vector is the same whoever makes it, the index, the store or a later `reembed`, and words are searched in
what meaning is searched in. The node's own words are found again between what stands around them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from llama_index.core.schema import BaseNode, Document, ImageDocument, ImageNode, IndexNode, MetadataMode, Node, TextNode

from ..documents import document, text_of
from ..errors import InvalidInputError, TextError, shown
from ..models import Memory
from .metadata_filters import SOURCE

_TYPES: Final[Mapping[str, type[BaseNode]]] = {
    kind.class_name(): kind for kind in (Node, TextNode, ImageNode, IndexNode, Document, ImageDocument)
}
_ASIDE: Final = {"embedding", "metadata", "text"}  # kept elsewhere
_PLAIN: Final = (str, int, float, bool, type(None))


def items_of(nodes: Iterable[BaseNode], text_limit: int) -> list[dict[str, Any]]:
    """Return nodes as items of `add_batch`.

    Args:
        nodes: The nodes.
        text_limit: Characters that a text may have, with the metadata that are embedded.

    Raises:
        InvalidInputError: metadata that JSON cannot hold, or that make a text too long.
    """
    items = []
    for place, node in enumerate(nodes):
        try:
            items.append(item_of(node, text_limit))
        except InvalidInputError as error:
            raise type(error)(f"item {place}: {error}") from None
    return items


def item_of(node: BaseNode, text_limit: int) -> dict[str, Any]:
    """Return a node as an item of `add_batch`.

    The source document is the session that its nodes come from, so that all of them are found at once when it is deleted; it is in
    the metadata as well, where filters see it.

    Raises:
        InvalidInputError: see `items_of`.
    """
    text, embedded = (node.get_content(metadata_mode=mode) for mode in (MetadataMode.NONE, MetadataMode.EMBED))
    if len(embedded) > text_limit >= len(text):
        raise TextError(
            f"the text has {len(text):,} characters, and with the metadata that are embedded {len(embedded):,}, where {text_limit:,} are "
            f"allowed: name the long ones in excluded_embed_metadata_keys"
        )
    fields = node.model_dump(mode="json", exclude=_ASIDE, exclude_defaults=True)
    if fields.get("text_resource"):
        fields["text_resource"]["text"] = None
    metadata = _json(node.metadata)
    value: dict[str, Any] = {"node": fields}
    if orders := list(_unsorted(metadata)):  # the memory sorts keys; what a model is shown, and a node's hash, go by their order
        value["orders"] = orders
    if embedded != text:
        value |= _around(text, embedded)
    source = node.ref_doc_id
    if source:
        if SOURCE in metadata:
            value["own"] = metadata[SOURCE]
        metadata = {**metadata, SOURCE: source}
    item = document(node.node_id, embedded, metadata, value)
    if source:
        item["session_id"] = source
    if node.embedding is not None:
        item["vector"] = node.embedding
    return item


def node_of(memory: Memory) -> BaseNode:
    """Return the node that a document was, without its embedding."""
    if not isinstance(memory.value, Mapping) or "node" not in memory.value:
        return TextNode(id_=memory.id, text=memory.text, metadata=memory.metadata)  # added past LlamaIndex
    fields, metadata = dict(memory.value["node"]), dict(memory.metadata)
    if memory.session_id is not None:
        metadata.pop(SOURCE, None)
    if "own" in memory.value:
        metadata[SOURCE] = memory.value["own"]
    metadata = _ordered(metadata, {tuple(path): keys for path, keys in memory.value.get("orders", ())})
    text = _within(text_of(memory), memory.value)
    kind = _TYPES.get(fields.get("class_name", ""), TextNode)
    if issubclass(kind, TextNode):
        fields["text"] = text
    elif fields.get("text_resource"):
        fields["text_resource"] = {**fields["text_resource"], "text": text}
    return kind.from_dict({**fields, "metadata": metadata})


def _around(text: str, embedded: str) -> dict[str, Any]:
    """Return what tells a node's words from the text that is embedded for it: what stands before and behind them there.

    LlamaIndex strips what it embeds, so the blanks at both ends of the words are kept as well.
    """
    words = text.strip()
    start = embedded.rfind(words)
    if start < 0:  # the node has a template of its own that leaves them out
        return {"text": text}
    ends = text.partition(words) if words else (text, "", "")
    return {"around": [embedded[:start], embedded[start + len(words) :], ends[0], ends[2]]}


def _within(text: str, value: Mapping[str, Any]) -> str:
    """Return the node's own words in a document's text; all of a text that was changed past LlamaIndex."""
    if "text" in value:
        return str(value["text"])
    before, behind, left, right = value.get("around", ("", "", "", ""))
    if len(text) < len(before) + len(behind) or not text.startswith(before) or not text.endswith(behind):
        return text
    return f"{left}{text[len(before) : len(text) - len(behind)]}{right}"


def _unsorted(value: dict[str, Any] | list[Any], path: tuple[str | int, ...] = ()) -> Iterator[tuple[list[str | int], list[str]]]:
    """Yield where in JSON an object has its keys in another order than the alphabet's, and in which."""
    if isinstance(value, dict) and list(value) != sorted(value):
        yield [*path], [*value]
    for place, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            yield from _unsorted(item, (*path, place))


def _ordered(value: Any, orders: Mapping[tuple[str | int, ...], list[str]], path: tuple[str | int, ...] = ()) -> Any:
    """Return a JSON value with the keys of its objects in the order that `_unsorted` told; new keys come last."""
    if isinstance(value, dict):
        keys = dict.fromkeys([*(key for key in orders.get(path, ()) if key in value), *value])
        return {key: _ordered(value[key], orders, (*path, key)) for key in keys}
    if isinstance(value, list):
        return [_ordered(item, orders, (*path, place)) for place, item in enumerate(value)]
    return value


def _json(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata as JSON has them: a date as its ISO text, as LlamaIndex stores it everywhere."""
    if all(isinstance(value, _PLAIN) for value in metadata.values()):
        return dict(metadata)
    try:
        told: dict[str, Any] = json.loads(json.dumps(metadata, default=_told))
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"a node's metadata cannot be stored as JSON: {error}") from None
    return told


def _told(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{shown(value)} is a {type(value).__name__}")
