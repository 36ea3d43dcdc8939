"""What the core asks of a store, of an embedder, of a language model and of a reranker, and the words it asks in.

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
    Replace,
    Restore,
    Selection,
    Sweep,
    Together,
    Update,
    Wanting,
    WantingPage,
)
from .embedder import TEXT_FIELD, Answer, Embedder, Matrix, QueueingEmbedder, Vector, Wish
from .extraction_changes import End, Entrust, Learned, Owe, PutOff, Renew, Resolve, Revision, Revive
from .item_changes import PurgeItems, PutItem, TouchItems, WriteItems
from .language_model import ChatMessage, ChatModel, ChatReply, ChatRequest, Reasoned, Reasoner
from .reranker import Judgement, Reranker, shown_text
from .store import Ask, Candidates, Change, Debt, Dump, Outcome, Store
from .survey import ASSISTANT, OTHER_ROLE, USER, Survey

__all__ = [
    "ASSISTANT",
    "OTHER_ROLE",
    "TEXT_FIELD",
    "USER",
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
    "Judgement",
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
    "Replace",
    "Reranker",
    "Resolve",
    "Restore",
    "Revision",
    "Revive",
    "Selection",
    "Store",
    "Survey",
    "Sweep",
    "Together",
    "TouchItems",
    "Update",
    "Vector",
    "Wanting",
    "WantingPage",
    "Wish",
    "WriteItems",
    "shown_text",
]
