"""What a spec such as "openai:gpt-5-mini" names: a language model, an embedding model, a reranker.

Concrete classes are named here and in `build` alone, each imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any, Final

from .embedding.model import Model
from .errors import InvalidInputError, shown
from .ports import ChatModel, Reranker

if TYPE_CHECKING:
    from .engine import Engine
    from .llm.event_loop import LoopThread

OPENAI: Final = "openai:"


def chat_model(spec: Any, loop: "LoopThread | None" = None) -> ChatModel:
    """Return the language model that a spec names.

    Args:
        spec: `"openai:<model>"`, a function that takes a prompt and returns the answer, or a `ChatModel`.
        loop: What its traffic runs on; default a loop of its own.

    Raises:
        InvalidInputError: it names none.
        MissingExtraError: the package it needs is not installed.
    """
    if isinstance(spec, str) and spec.startswith(OPENAI):
        from .llm.openai import OpenAIChat

        return OpenAIChat(spec.removeprefix(OPENAI), loop=loop)
    if not isinstance(spec, str) and callable(getattr(spec, "reply", None)):
        model: ChatModel = spec
        return model
    if callable(spec):
        from .llm.callable import CallableChat

        return CallableChat(spec)
    raise InvalidInputError(f"llm={shown(spec)} is unknown: use 'openai:<model>', OpenAIChat(...), or a function from prompt to answer")


def open_model(spec: Any) -> Model:
    """Return the embedding model that a spec names.

    It may be `immediate`: then no queue is worth its while. It may have `assume(identity)`, and take its dimension from that.

    Args:
        spec: `"fastembed:<model or folder>"` or a `FastEmbed`, `"openai:<model>"`, `"model2vec:<folder or id>"`, an object with
            `embed_documents` and `embed_query`, or a `Model` itself, such as an `OpenAIEmbedder`.

    Raises:
        InvalidInputError: it is none of these.
        MissingExtraError: the package it needs is not installed.
        EmbeddingError: the model cannot be loaded, or does not embed.
    """
    if isinstance(spec, str):
        return _named_model(spec)
    from .embedding.fastembed import FastEmbed

    if isinstance(spec, FastEmbed):
        return spec.open()
    if hasattr(spec, "lanes") and hasattr(spec, "batch"):  # not `identity`: some must ask somebody for it
        model: Model = spec
        return model
    from .embedding.any_object import ObjectModel

    return ObjectModel(spec)


def _named_model(spec: str) -> Model:
    kind, _, name = spec.partition(":")
    if spec.startswith(OPENAI):
        from .embedding.openai import OpenAIEmbedder

        return OpenAIEmbedder(name)
    if kind == "fastembed" and name:
        from .embedding.fastembed import FastEmbed

        return FastEmbed(name).open()
    if kind == "model2vec" and name:
        from .embedding.model2vec import Model2VecModel

        return Model2VecModel(name)
    raise InvalidInputError(
        f"embedder={shown(spec)} is unknown: use 'static', 'fastembed:<model or folder>', 'openai:<model>', 'model2vec:<folder or id>', "
        "or an object with embed_documents and embed_query"
    )


def named_reranker(spec: Any, engine: "Engine") -> Reranker:
    """Return the reranker that a spec names.

    Args:
        spec: As for `AgentMemory`, but for `"llm"`.
        engine: The open store, whose event loop and file a language model works with.

    Raises:
        InvalidInputError: it names none.
        MissingExtraError: the package it needs is not installed.
        RerankError: the model cannot be loaded.
    """
    kind, _, name = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if kind == "fastembed" and name:
        from .rerank.cross_encoder import CrossEncoder

        return CrossEncoder(name).open()
    if (isinstance(spec, str) and spec.startswith(OPENAI)) or callable(getattr(spec, "reply", None)):
        from .llm.reasoner import CachingReasoner
        from .rerank.llm import LlmReranker

        model = chat_model(spec, engine.thinking())
        return LlmReranker(lambda: CachingReasoner(model, engine.store.learned), model.name)
    if isinstance(spec, str):
        raise InvalidInputError(
            f"reranker={shown(spec)} is unknown: use 'fastembed:<model or folder>', 'llm', 'openai:<model>', or a function from a "
            "question and texts to numbers from 0 to 1"
        )
    from .rerank.cross_encoder import CrossEncoder

    if isinstance(spec, CrossEncoder):
        return spec.open()
    from .rerank.function import FunctionReranker

    return FunctionReranker(spec)
