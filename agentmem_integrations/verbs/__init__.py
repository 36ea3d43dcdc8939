"""What can be done with memories; `AgentMemory` and its views all do it with these verbs."""

from .add_replace import Results, Storing
from .export_import import Porting
from .maintenance import Mending, Owing, Reembedding, Warming
from .search_get_list import Finding
from .update_delete_purge import Changing

__all__ = ["MemoryVerbs", "Porting", "Reembedding", "Results"]


class MemoryVerbs(Storing, Finding, Changing, Mending, Warming, Owing):
    """What can be done with the memories of one collection. Every verb has an async twin with an `a` in front.

    Ids: `user_id` owns a memory, and nobody else's call ever sees it; `agent_id` and `session_id` narrow. At least one must be
    named, or `user_id=SHARED` for memory that belongs to nobody. Calls by memory id need none; with one, another owner's id
    is "not found".
    """
