"""The repair hallway: check and mend in the store -> make the vectors that are owed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..models import Report, Scope
from ..ports import Store
from .write_stages.embed import Writing


@dataclass(slots=True)
class RepairHallway:
    """Mends what does not agree with the memories.

    Args:
        store: Where the memories live.
        open_collections: The ways to the store of the collections that are open, with their embedders.
    """

    store: Store
    open_collections: Sequence[Writing]

    def repair(self, namespace: str, scope: Scope | None, progress: Callable[[int], None]) -> Report:
        """Mend, then make the vectors that are owed as far as their embedders are here; return what was found and mended."""
        report = self.store.repair(namespace, scope, progress)
        done = report.mended
        if report.owed:
            for writing in self.open_collections:
                while writing.embedder is not None and (filled := writing.fill_debts(due_only=False)):
                    done += filled
                    report.owed = max(0, report.owed - filled)
                    progress(done)
                writing.note_debts()
        return report
