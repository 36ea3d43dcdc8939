"""The nouns of this library: scope, memory, event, hit, and their kin. Plain data, no behaviour."""

from .facts import DateSpan, Decision, Decisions, Extraction, Fact, Precision, Turn
from .item import Item, ItemAnswer, ItemDelete, ItemGet, ItemOp, ItemPaths, ItemPut, ItemRead, ItemSearch, Path, PathMatch
from .memory import KINDS, SHARED, AddResult, Event, EventKind, Hit, Identity, Job, JobState, Memory, Scope, Status, UserId
from .verify_report import DIFFERENCES, UNHARMFUL, Finding, Report

__all__ = [
    "DIFFERENCES",
    "KINDS",
    "SHARED",
    "UNHARMFUL",
    "AddResult",
    "DateSpan",
    "Decision",
    "Decisions",
    "Event",
    "EventKind",
    "Extraction",
    "Fact",
    "Finding",
    "Hit",
    "Identity",
    "Item",
    "ItemAnswer",
    "ItemDelete",
    "ItemGet",
    "ItemOp",
    "ItemPaths",
    "ItemPut",
    "ItemRead",
    "ItemSearch",
    "Job",
    "JobState",
    "Memory",
    "Path",
    "PathMatch",
    "Precision",
    "Report",
    "Scope",
    "Status",
    "Turn",
    "UserId",
]
