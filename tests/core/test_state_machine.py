"""The store agrees with a dict, whatever is done in whatever order."""

import itertools
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agentmem_integrations import AgentMemory, ConflictError, NotFoundError
from agentmem_integrations.testing.embedders import FailingEmbedder

OWNERS = ["ana", "an", "ben"]
WORDS = ["tea", "milk", "coffee", "water", "green tea", "tea  ", "Tea"]
IDS = ["1", "2", "3"]

owners = st.sampled_from(OWNERS)
words = st.sampled_from(WORDS)
ids = st.sampled_from(IDS)
sessions = st.none() | st.sampled_from(["s", "t"])
metadata = st.fixed_dictionaries({}, optional={"n": st.integers(0, 2), "tag": st.sampled_from(["x", "y"])})


@dataclass
class Row:
    """What the model knows of one memory."""

    id: str
    text: str
    session: str | None
    metadata: dict[str, Any]
    order: int
    dead: bool = False
    owed: bool = False
    history: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    @property
    def twin(self) -> tuple[str | None, str]:
        return self.session, " ".join(self.text.split())


class Model(RuleBasedStateMachine):
    """Every rule does the same to the memory and to a dict."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.embedder = FailingEmbedder(dim=16, failing=False)
        self.rows: dict[tuple[str, str], Row] = {}
        self.order = itertools.count()
        self.folder = tempfile.TemporaryDirectory()
        self.path = self.url or str(Path(self.folder.name) / "memory.db")
        self.mem = AgentMemory(self.path, embedder=self.embedder)

    def teardown(self) -> None:
        self.mem.close()
        self.folder.cleanup()

    def live(self, owner: str) -> list[Row]:
        return sorted((r for (o, _), r in self.rows.items() if o == owner and not r.dead), key=lambda r: r.order)

    def twin_of(self, owner: str, row: Row) -> Row | None:
        return next((r for r in self.live(owner) if r.twin == row.twin), None)

    def bury(self, rows: list[Row]) -> None:
        for row in rows:
            row.dead, row.owed = True, False
            row.history.append(("DELETE", row.text, None))

    @initialize(owner=owners, data=st.data())
    def begin(self, owner: str, data: st.DataObject) -> None:
        self.mem.search("tea", user_id=owner)

    @rule(
        owner=owners, text=words, id=st.none() | ids, session=sessions, metadata=metadata, failing=st.integers(0, 5).map(lambda n: n == 0)
    )
    def add(self, owner: str, text: str, id: str | None, session: str | None, metadata: dict[str, Any], failing: bool) -> None:
        new = Row(id or "", text, session, metadata, -1, owed=failing)
        twin, known = self.twin_of(owner, new), self.rows.get((owner, id)) if id else None
        self.embedder.failing = failing
        try:
            try:
                result = self.mem.add(text, id=id, user_id=owner, session_id=session, metadata=metadata)
            finally:
                self.embedder.failing = False
            (event,) = result.events
        except ConflictError:
            assert twin is not None
            assert known is not None
            assert twin is not known
            return
        if twin is not None and (known is None or (known.text, known.metadata) == (text, metadata)):
            assert known is None or known is twin
            assert (event.event, event.memory.id) == ("NONE", twin.id)
        elif known is None:
            assert event.event == "ADD"
            new.id, new.order, new.history = event.memory.id, next(self.order), [("ADD", None, text)]
            self.rows[owner, new.id] = new
        elif known.dead:
            assert event.event == "ADD"
            self.rows[owner, known.id] = replace(new, order=known.order, history=[*known.history, ("ADD", None, text)])
        else:
            assert (event.event, event.old_text) == ("UPDATE", known.text)
            self.rows[owner, known.id] = replace(new, order=known.order, history=[*known.history, ("UPDATE", known.text, text)])

    @rule(owner=owners, id=ids, text=words)
    def update_text(self, owner: str, id: str, text: str) -> None:
        row = self.rows.get((owner, id))
        try:
            memory = self.mem.update(id, user_id=owner, text=text)
        except NotFoundError:
            assert row is None or row.dead
        except ConflictError:
            assert row is not None
            assert self.twin_of(owner, replace(row, text=text)) not in (None, row)
        else:
            assert row is not None
            assert memory.text == text
            row.history.append(("UPDATE", row.text, text))
            row.text, row.owed = text, False

    @rule(owner=owners, id=ids, metadata=metadata)
    def update_metadata(self, owner: str, id: str, metadata: dict[str, Any]) -> None:
        row = self.rows.get((owner, id))
        try:
            self.mem.update(id, user_id=owner, metadata=metadata)
        except NotFoundError:
            assert row is None or row.dead
        else:
            assert row is not None
            row.metadata = metadata
            row.history.append(("UPDATE", row.text, row.text))

    @rule(owner=owners, chosen=st.lists(ids, max_size=3))
    def delete_by_id(self, owner: str, chosen: list[str]) -> None:
        rows = [r for r in self.live(owner) if r.id in chosen]
        assert self.mem.delete(chosen, user_id=owner) == len(rows)
        self.bury(rows)

    @rule(owner=owners, n=st.integers(0, 2), session=sessions)
    def delete_by_filter(self, owner: str, n: int, session: str | None) -> None:
        rows = [r for r in self.live(owner) if r.metadata.get("n") == n and session in (None, r.session)]
        assert self.mem.delete(user_id=owner, session_id=session, filter={"n": n}) == len(rows)
        self.bury(rows)

    @rule(owner=owners, id=ids)
    def purge_by_id(self, owner: str, id: str) -> None:
        assert self.mem.purge(id, user_id=owner) == (self.rows.pop((owner, id), None) is not None)

    @rule(owner=owners)
    def purge_owner(self, owner: str) -> None:
        gone = [key for key in self.rows if key[0] == owner]
        assert self.mem.purge(user_id=owner) == len(gone)
        for key in gone:
            del self.rows[key]

    @rule()
    def flush(self) -> None:
        assert self.mem.flush() == 0
        for row in self.rows.values():
            row.owed = False

    @precondition(lambda self: not self.url)
    @rule()
    def reopen(self) -> None:
        self.mem.close()
        self.mem = AgentMemory(self.path, embedder=self.embedder)

    @rule(owner=owners, query=words)
    def search_by_words(self, owner: str, query: str) -> None:
        asked = set(query.lower().split())
        expected = {r.id for r in self.live(owner) if asked & set(r.text.lower().split())}
        assert {h.memory.id for h in self.mem.search(query, user_id=owner, using="text", k=1_000)} == expected

    @rule(owner=owners, query=words, session=sessions, n=st.none() | st.integers(0, 2))
    def search_by_meaning(self, owner: str, query: str, session: str | None, n: int | None) -> None:
        fitting = [r for r in self.live(owner) if session in (None, r.session) and n in (None, r.metadata.get("n"))]
        narrow = {"session_id": session, "filter": None if n is None else {"n": n}}
        hits = self.mem.search(query, user_id=owner, using="vector", k=1_000, **narrow)  # type: ignore[arg-type]
        found = {h.memory.id: h for h in hits}
        # an add that works again may already have filled what an earlier one owed
        assert {r.id for r in fitting if not r.owed} <= found.keys() <= {r.id for r in fitting}
        exact = {r.id for r in fitting if r.text.lower().split() == query.lower().split() and r.id in found}
        assert all(found[id].score > 0.9999 for id in exact)
        assert len([h for h in hits if h.score > 0.9999]) == len(exact)

    @rule(owner=owners, size=st.integers(1, 3))
    def page_through(self, owner: str, size: int) -> None:
        seen: list[str] = []
        while page := self.mem.list(user_id=owner, limit=size, after=seen[-1] if seen else None):
            seen += [m.id for m in page]
        assert seen == [r.id for r in self.live(owner)]

    @invariant()
    def the_memory_says_what_the_dict_says(self) -> None:
        for owner in OWNERS:
            expected = [(r.id, r.text, r.session, r.metadata) for r in self.live(owner)]
            assert [(m.id, m.text, m.session_id, m.metadata) for m in self.mem.list(user_id=owner)] == expected
            for id in IDS:
                row = self.rows.get((owner, id))
                told = [(e.event, e.old_text, e.new_text) for e in self.mem.history(id, user_id=owner)]
                assert told == (row.history if row else [])
                assert (self.mem.get(id, user_id=owner) is None) == (row is None or row.dead)


class InFile(Model):
    url = ""


class InRam(Model):
    url = "memory://"


shorter = settings(max_examples=max(20, settings().max_examples // 2), stateful_step_count=30)
TestInFile = InFile.TestCase
TestInFile.settings = shorter
TestInRam = InRam.TestCase
TestInRam.settings = shorter
