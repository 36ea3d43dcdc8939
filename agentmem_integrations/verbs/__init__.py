"""What can be done with memories; `AgentMemory` and its views all do it with these verbs."""

from .changing import Changing
from .export_import import Porting
from .finding import Finding
from .jobs import Owing
from .reembedding import Reembedding
from .replacing import Replacing
from .storing import Results, Storing
from .verify_repair import Mending
from .warming import Warming

__all__ = ["MemoryVerbs", "Porting", "Reembedding", "Results"]


class MemoryVerbs(Storing, Finding, Changing, Replacing, Mending, Warming, Owing):
    """What can be done with the memories of one collection. Every verb has an async twin with an `a` in front.

    Ids: `user_id` owns a memory, and nobody else's call ever sees it; `agent_id` and `session_id` narrow. At least one must be
    named, or `user_id=SHARED` for memory that belongs to nobody. Calls by memory id need none; with one, another owner's id
    is "not found".
    """
