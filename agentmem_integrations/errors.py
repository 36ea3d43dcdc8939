"""Every error this library raises, as one tree.

    AgentMemError
    ├── InvalidInputError (ValueError)      the call was wrong; nothing was stored
    │   ├── ScopeError                      whose memory it is was not said, or said twice
    │   ├── TextError                       empty, too long, or not storable text
    │   ├── FilterError                     a condition that no filter can express
    │   └── VectorError                     wrong length, zero, or not finite
    ├── NotFoundError (LookupError)         no such memory for this caller
    ├── ConflictError                       the change contradicts what is stored
    │   └── StaleError                      what it was decided on has changed since
    ├── ClosedError                         the memory was closed
    ├── MissingExtraError (ImportError)     an optional package is not installed
    ├── EmbeddingError                      the embedder failed, or gave unusable vectors
    │   └── TextTooLongError                more tokens than the embedding model takes
    ├── EmbedderMismatchError               the collection was written with another embedder
    ├── RerankError                         the reranker failed, or answered what cannot be used
    ├── ModelError                          the language model failed, or answered what cannot be used
    │   ├── ModelTimeoutError               no answer in time
    │   ├── ModelBusyError                  too many requests, or the quota is used up
    │   ├── ModelAccessError                the key was not accepted
    │   ├── ModelRequestError               the endpoint does not take such a request
    │   └── ReplyError                      its reply cannot be read as what it was asked for
    └── StorageError                        the file could not be used
        ├── NotADatabaseError               something else lies at that path
        ├── SchemaError                     written by a newer version, or damaged
        ├── StoreBusyError                  another process held the file too long
        └── StoreFullError                  no space, no permission, no such folder, or a failing disk

One warning stands beside it: NetworkFilesystemWarning (UserWarning), when a file is opened where SQLite cannot trust the locks.

A message says what happened, with which value, and what to do next. It never contains the text of a memory.
"""

import reprlib


class AgentMemError(Exception):
    """Anything that went wrong in this library."""


class InvalidInputError(AgentMemError, ValueError):
    """The call was wrong; nothing was stored."""


class ScopeError(InvalidInputError):
    """Whose memory it is was not said, or was said twice in different words."""


class TextError(InvalidInputError):
    """The text is empty, too long, or cannot be stored."""


class FilterError(InvalidInputError):
    """The condition cannot be understood."""


class VectorError(InvalidInputError):
    """The vector has the wrong length, is zero, or is not finite."""


class NotFoundError(AgentMemError, LookupError):
    """There is no such memory for this caller."""


class ConflictError(AgentMemError):
    """The change contradicts what is stored."""


class StaleError(ConflictError):
    """What the change was decided on has changed since: look and decide again."""


class ClosedError(AgentMemError):
    """The memory was closed."""


class MissingExtraError(AgentMemError, ImportError):
    """An optional package is needed and not installed."""


class EmbeddingError(AgentMemError):
    """The embedder failed, or returned vectors that cannot be stored."""


class TextTooLongError(EmbeddingError):
    """The text has more tokens than the embedding model takes."""


class EmbedderMismatchError(AgentMemError):
    """The collection holds vectors of another embedder."""


class RerankError(AgentMemError):
    """The reranker failed, or answered what cannot be used."""


class ModelError(AgentMemError):
    """The language model failed, could not be reached, or answered what cannot be used."""


class ModelTimeoutError(ModelError):
    """The language model did not answer in time."""


class ModelBusyError(ModelError):
    """The endpoint takes no more requests for now: too many of them, or the quota is used up."""


class ModelAccessError(ModelError):
    """The endpoint did not accept the API key."""


class ModelRequestError(ModelError):
    """The endpoint does not take such a request: no such model, too long, or a parameter it does not know."""


class ReplyError(ModelError):
    """The language model's reply cannot be read as what it was asked for."""


class StorageError(AgentMemError):
    """The file could not be read or written."""


class NotADatabaseError(StorageError):
    """What lies at the path is not a memory file."""


class SchemaError(StorageError):
    """The file's schema is newer than this version, or damaged."""


class StoreBusyError(StorageError):
    """Another process held the file for longer than the busy timeout."""


class StoreFullError(StorageError):
    """The file system refused the file or a write: no space, no permission, no such folder, or a failing disk."""


class NetworkFilesystemWarning(UserWarning):
    """The memory file lies on a network filesystem, where locks and shared memory cannot be relied on."""


def shown(value: object) -> str:
    """Return a value as a message shows it: its repr, cut short, and something in its place if it has none.

    A message must not be as long as what was passed, nor fail itself: an integer of more than 4,300 digits has no decimal
    text, nested lists may have more of it than memory holds, and a caller's object may raise.
    """
    if isinstance(value, int) and value.bit_length() > 256:
        return f"<an integer of {value.bit_length()} bits>"
    short = reprlib.Repr()
    short.maxlevel, short.maxstring, short.maxother = 2, 120, 120
    try:
        return short.repr(value)
    except Exception:  # noqa: BLE001 - other people's __repr__, while an error about their value is on its way
        return f"<a {type(value).__name__}>"
