"""Embedders: text in, unit vectors out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fastembed import FastEmbed

__all__ = ["FastEmbed"]


def __getattr__(name: str) -> Any:
    if name == "FastEmbed":  # when first used: opening a memory with the bundled embedder needs none of it
        from .fastembed import FastEmbed

        return FastEmbed
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
