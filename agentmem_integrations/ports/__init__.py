"""What the core asks of a store, of an embedder and of a language model, and the words it asks in.

Nothing here knows a database, a model or a framework. A store is told whole changes and answers whole outcomes; it is
never handed SQL, row numbers or transactions.
"""

from .changes import (
    Defer,
    Delete,
    EraseLeftovers,
    Fill,
    Insert,
    Keep,
    Line,
    Purge,
    Record,
    Reembed,
    Restore,
    Selection,
    Sweep,
    Together,
    Update,
    Wanting,
    WantingPage,
)
from .chat import ChatMessage, ChatModel, ChatReply, ChatRequest, Reasoned, Reasoner
from .embedder import TEXT_FIELD, Answer, Embedder, Matrix, QueueingEmbedder, Vector, Wish
from .extraction import End, Entrust, Learned, Owe, PutOff, Renew, Resolve, Revision, Revive
from .items import PurgeItems, PutItem, TouchItems, WriteItems
from .store import Ask, Candidates, Change, Debt, Dump, Outcome, Store

__all__ = [
    "TEXT_FIELD",
    "Answer",
    "Ask",
    "Candidates",
    "Change",
    "ChatMessage",
    "ChatModel",
    "ChatReply",
    "ChatRequest",
    "Debt",
    "Defer",
    "Delete",
    "Dump",
    "Embedder",
    "End",
    "Entrust",
    "EraseLeftovers",
    "Fill",
    "Insert",
    "Keep",
    "Learned",
    "Line",
    "Matrix",
    "Outcome",
    "Owe",
    "Purge",
    "PurgeItems",
    "PutItem",
    "PutOff",
    "QueueingEmbedder",
    "Reasoned",
    "Reasoner",
    "Record",
    "Reembed",
    "Renew",
    "Resolve",
    "Restore",
    "Revision",
    "Revive",
    "Selection",
    "Store",
    "Sweep",
    "Together",
    "TouchItems",
    "Update",
    "Vector",
    "Wanting",
    "WantingPage",
    "Wish",
    "WriteItems",
]
