"""A program that is killed at named points, and the check of what it left.

The points are where they are without the library's help: before and after each statement of statements.sql and of the migrations,
before and after BEGIN, COMMIT and every checkpoint (SQLite's own hooks, put on each connection by `apsw.connection_hooks`),
before each write, sync and truncation of a file (a VFS), and before a file gets its final name (an audit hook). So the
library has nothing in it that a test would need, and costs nothing.

Run as a program it plays one scenario over and over: `python -m long.crash_points FOLDER POINTS SPREAD`. A rehearsal counts how
often each point is passed; then, for each point asked for, a forked child is killed there. For each it prints a line of JSON.
"""

import itertools
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
from long.crashes import EMBEDDER, QuickEmbedder, State, Step, is_sound

from agentmem_integrations import AgentMemory
from agentmem_integrations.models import ItemDelete, ItemPut, ItemSearch
from agentmem_integrations.storage.sqlite.file import write_ahead_log
from agentmem_integrations.storage.sqlite.statements import statements
from agentmem_integrations.testing.faulty_disks import FailingVFS, Operation

USER = "user 0"
SECRET = "plughsecret"  # noqa: S105 - a word to look for


class Moody(QuickEmbedder):
    """Fails while it is told to: the vectors are owed."""

    failing = False

    def embed_documents(self, texts: Sequence[str]) -> Any:
        if self.failing:
            raise ConnectionError("the embedding service is down")
        return super().embed_documents(texts)


@dataclass
class Act:
    """One call of the scenario.

    Attributes:
        name: Of the call.
        run: Makes it.
        applied: The memories after it, from those before it.
    """

    name: str
    run: Callable[[AgentMemory, Moody, Path], object]
    applied: Callable[[State], State] = lambda state: state


def step(step: Step) -> Act:
    return Act(step.verb, lambda mem, embedder, folder: step.run(mem, USER), step.applied)


def texts(name: str, count: int, words: int = 6) -> State:
    return {f"{name}{n}": f"w{name}{n} " + " ".join(f"tea{(n * i) % 50}" for i in range(words)) for n in range(count)}


IMPORTED = texts("imported", 30)
OWED = texts("owed", 2)


def owe(mem: AgentMemory, embedder: Moody, folder: Path) -> None:
    embedder.failing = True
    step(Step("add", OWED)).run(mem, embedder, folder)
    embedder.failing = False


ITEMS = {f"item {n}": f"witem{n} in a tin" for n in range(20)}
CHANGED = {"item 0": "witem0 changed", "item 1": "witem1 changed", "item new": "witemnew"}
DELETED = ("item 2", "item 3")


def put_items(mem: AgentMemory, texts: State, *deleted: str) -> None:
    """Put and delete in one batch, so that all of it is there or nothing."""
    puts = [ItemPut(("users", USER), key, {"text": text}, {"text": text}, ttl=60) for key, text in texts.items()]
    mem.items().batch([*puts, *(ItemDelete(("users", USER), key) for key in deleted)])


SCENARIO = [
    step(Step("add", texts("one", 1))),
    step(Step("add", texts("two", 2))),
    step(Step("add_batch", texts("many", 25))),
    step(Step("update", {"one0": "wone0changed milk"})),
    step(Step("add", {"long": "wlong " + "rain milk " * 4_000})),
    Act("owe", owe, lambda state: {**state, **OWED}),
    Act("flush", lambda mem, embedder, folder: mem.flush()),
    step(Step("delete", {"two0": "", "many3": ""})),
    step(Step("add", {"secret": f"{SECRET} milk"})),
    Act("import", lambda mem, embedder, folder: mem.import_(folder.parent / "import.jsonl"), lambda state: {**state, **IMPORTED}),
    step(Step("purge", {"secret": "", "many4": ""})),
    Act("backup", lambda mem, embedder, folder: mem.backup(folder / "copies" / "copy.db")),
    Act("export", lambda mem, embedder, folder: mem.export(folder / "copies" / "copy.jsonl")),
    step(Step("add_batch", texts("more", 40, 60))),
    step(Step("update", {"many5": "wmany5changed tea1"})),
    step(Step("add_batch", texts("last", 40, 60))),
    step(Step("delete", {"one0": ""})),
    Act("put items", lambda mem, embedder, folder: put_items(mem, ITEMS), lambda state: {**state, **ITEMS}),
    Act(
        "change items",
        lambda mem, embedder, folder: put_items(mem, CHANGED, *DELETED),
        lambda state: {id: text for id, text in {**state, **CHANGED}.items() if id not in DELETED},
    ),
]


def states() -> Iterator[State]:
    """Give the memories before the first call, after it, after the second, and so on."""
    state: State = {}
    yield state
    for act in SCENARIO:
        state = act.applied(state)
        yield state


class Points:
    """Knows when the program passes a named point, and kills it there if told to.

    Args:
        target: Name of the point and which passing of it; None to count only.
    """

    def __init__(self, target: tuple[str, int] | None = None) -> None:
        self.passed: Counter[str] = Counter()
        self._target = target
        self._names = {sql: name for name, sql in statements().items()}

    def install(self) -> None:
        apsw.connection_hooks.append(self._watch)
        sys.addaudithook(lambda event, arguments: self._pass("before rename") if event == "os.rename" else None)
        self._files = _Files(self._pass)

    def _watch(self, connection: apsw.Connection) -> None:
        def before(cursor: Any, sql: str, bindings: Any) -> bool:
            self._statement("before", sql)
            return True

        connection.set_exec_trace(before)
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, lambda event: self._statement("after", event["sql"]))

    def _statement(self, when: str, sql: str) -> None:
        name = self._names.get(sql.strip()) or " ".join(re.sub(r"--.*", "", sql).split()[:4])
        if not sql.lstrip().startswith("SELECT") and not name.startswith("SELECT"):
            self._pass(f"{when} {name}")

    def _pass(self, name: str) -> None:
        self.passed[name] += 1
        if self._target == (name, self.passed[name]):
            os.kill(os.getpid(), signal.SIGKILL)


class _Files(FailingVFS):
    """Passes a point before each operation on a file."""

    def __init__(self, passing: Callable[[str], None]) -> None:
        super().__init__()
        self._passing = passing

    def check(self, operation: Operation, path: str) -> None:
        if operation in ("write", "sync", "truncate", "delete"):
            kind = "log" if path.endswith("-wal") else "file" if path.endswith("memory.db") else "copy"
            self._passing(f"before {operation} of {kind}")


def play(folder: Path, points: Points, acknowledge: Callable[[], object]) -> None:
    """Play the scenario."""
    write_ahead_log.STEP_PAGES, write_ahead_log.HARD_PAGES = 8, 16  # type: ignore[misc]
    points.install()
    embedder = Moody()
    with AgentMemory(folder / "memory.db", embedder=embedder) as mem:
        for act in SCENARIO:
            act.run(mem, embedder, folder)
            acknowledge()


def in_child(work: Callable[[int], None]) -> tuple[bytes, int]:
    """Let a forked child work; return what it wrote to the pipe, and its exit status."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        status = 1
        try:
            signal.alarm(60)
            work(writing)
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def prepare(target: Path) -> None:
    """Write the file that the scenario imports."""
    with AgentMemory("memory://", embedder=EMBEDDER) as mem:
        mem.add_batch([{"id": id, "text": text} for id, text in IMPORTED.items()], user_id=USER)
        mem.export(target)


def fresh(folder: Path, name: str) -> Path:
    here = folder / name
    (here / "copies").mkdir(parents=True)
    return here


def main(folder: Path, wanted: str, spread: int) -> None:
    """Kill a child at every point whose name fits `wanted`, at up to `spread` of its passings."""
    in_child(lambda pipe: prepare(folder / "import.jsonl"))

    def rehearse(pipe: int) -> None:
        points = Points()
        play(fresh(folder, "rehearsal"), points, lambda: None)
        os.write(pipe, json.dumps(points.passed).encode())

    numbers = itertools.count(1)
    said, status = in_child(rehearse)
    assert status == 0, "the rehearsal failed"
    for point, times in json.loads(said).items():
        if not re.fullmatch(wanted, point):
            continue
        for passing in sorted({1 + (times - 1) * part // max(1, spread - 1) for part in range(spread)}):
            here = fresh(folder, f"run {next(numbers)}")

            def killed(pipe: int, target: tuple[str, int] = (point, passing), here: Path = here) -> None:
                play(here, Points(target), lambda: os.write(pipe, b"."))

            done, status = in_child(killed)
            print(json.dumps({"point": point, "passing": passing, "folder": str(here), "acknowledged": len(done), "status": status}))


def check(folder: Path, acknowledged: int) -> None:
    """Check the file that a killed child left after so many acknowledged calls."""
    path, expected = folder / "memory.db", list(states())
    possible = expected[acknowledged : acknowledged + 2]
    under_way = SCENARIO[acknowledged].name if acknowledged < len(SCENARIO) else "close"
    with AgentMemory(path, embedder=EMBEDDER) as mem:
        found = {m.id: m.text for m in mem.list(user_id=USER, limit=10_000)}
        (items,) = mem.items().batch([ItemSearch(("users",), limit=100)])
        kept = {item.key: item.value["text"] for item in items}
        assert {**found, **kept} in possible, f"in {under_way}: {set(kept) ^ {id for id in possible[0] if id.startswith('item')}}"
        for key, text in kept.items():
            (near,) = mem.items().batch([ItemSearch((), text, limit=1)])
            assert [(item.key, round(item.score, 3)) for item in near] == [(key, 1)], key
        possible = [{id: text for id, text in state.items() if not id.startswith("item")} for state in possible]
        assert found in possible, f"in {under_way}: {set(found) ^ set(possible[0])}"
        assert mem.flush() == 0
        for id, text in found.items():
            memory = mem.get(id, user_id=USER)
            assert memory is not None, id
            assert memory.text == text, id
            assert [h.memory.id for h in mem.search(text.split()[0], user_id=USER, using="text")] == [id], id
        for id, text in list(found.items())[:: 1 + len(found) // 25]:
            assert id in [h.memory.id for h in mem.search(text, user_id=USER, using="vector", k=3)], id
        if under_way == "purge":
            mem.purge(["secret", "many4"], user_id=USER)
    is_sound(str(path))
    if under_way == "purge":
        assert SECRET.encode() not in path.read_bytes(), "a purge that is done again leaves nothing"
    for copy in (folder / "copies").glob("copy.*"):  # a copy has its name when it is whole
        with AgentMemory(copy if copy.suffix == ".db" else "memory://", embedder=EMBEDDER) as mem:
            if copy.suffix != ".db":
                mem.import_(copy)
            names = [act.name for act in SCENARIO]
            assert {m.id: m.text for m in mem.list(user_id=USER, limit=10_000)} == expected[names.index("backup")]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
