"""Nodes of LlamaIndex as documents of the memory, and back: type, relationships and metadata as they were."""

import json
from collections.abc import Mapping
from typing import Any, Final

from llama_index.core.schema import BaseNode, Document, ImageDocument, ImageNode, IndexNode, MetadataMode, Node, TextNode

from ..documents import document, text_of
from ..errors import InvalidInputError, shown
from ..models import Memory
from .metadata_filters import SOURCE

_TYPES: Final[Mapping[str, type[BaseNode]]] = {
    kind.class_name(): kind for kind in (Node, TextNode, ImageNode, IndexNode, Document, ImageDocument)
}
_ASIDE: Final = {"embedding", "metadata", "text"}  # kept elsewhere
_PLAIN: Final = (str, int, float, bool, type(None))


def item_of(node: BaseNode) -> dict[str, Any]:
    """Return a node as an item of `add_batch`.

    The source document is the session that its nodes come from, so that all of them are found at once when it is deleted; it is in
    the metadata as well, where filters see it.

    Raises:
        InvalidInputError: metadata that JSON cannot hold.
    """
    fields = node.model_dump(mode="json", exclude=_ASIDE, exclude_defaults=True)
    if fields.get("text_resource"):
        fields["text_resource"]["text"] = None
    metadata = _json(node.metadata)
    value: dict[str, Any] = {"node": fields}
    if list(metadata) != sorted(metadata):  # the memory sorts keys; what a model is shown, and a node's hash, go by their order
        value["order"] = list(metadata)
    source = node.ref_doc_id
    if source:
        if SOURCE in metadata:
            value["own"] = metadata[SOURCE]
        metadata = {**metadata, SOURCE: source}
    item = document(node.node_id, node.get_content(metadata_mode=MetadataMode.NONE), metadata, value)
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
    metadata = {key: metadata[key] for key in memory.value.get("order", metadata) if key in metadata}
    kind = _TYPES.get(fields.get("class_name", ""), TextNode)
    if issubclass(kind, TextNode):
        fields["text"] = text_of(memory)
    elif fields.get("text_resource"):
        fields["text_resource"] = {**fields["text_resource"], "text": text_of(memory)}
    return kind.from_dict({**fields, "metadata": metadata})


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
