"""Rerankers: what reads a question and its best candidates together."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cross_encoder import CrossEncoder

__all__ = ["CrossEncoder"]


def __getattr__(name: str) -> Any:
    if name == "CrossEncoder":  # when first used: most memories have no reranker
        from .cross_encoder import CrossEncoder

        return CrossEncoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
