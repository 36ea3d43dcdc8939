"""A load whose outcome can be told from the acknowledgements alone, and the check of what a crash left of it.

What a worker does follows from a seed. So it is enough to know how many of a worker's calls were acknowledged: these must be
there, the call that was under way may be there as a whole or not, and nothing else. Run as a program it is the child that is
killed: `python -m long.crashes PATH DURABILITY SEED`, which prints one byte for each acknowledged call, the worker's number.
"""

import json
import os
import random
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import apsw

from agentmem_integrations import AgentMemError, AgentMemory
from agentmem_integrations.config import Durability
from agentmem_integrations.pipeline.embedded_text import spoken
from agentmem_integrations.ports import Vector
from agentmem_integrations.testing.embedders import HashEmbedder
from agentmem_integrations.testing.faulty_disks import PowerLossVFS

WORKERS = 3


class QuickEmbedder(HashEmbedder):
    """The same vectors, with every word's direction computed once."""

    @cache  # noqa: B019 - there is one of it
    def _direction(self, word: str) -> Vector:
        return super()._direction(word)


EMBEDDER = QuickEmbedder()

State = dict[str, str]
"""A worker's memories: text by id."""


@dataclass
class Step:
    """One call, and the memories it leaves.

    Attributes:
        verb: Which method.
        items: Text by id; for `delete` and `purge` the texts do not count.
    """

    verb: Literal["add", "add_batch", "update", "delete", "purge"]
    items: State

    def run(self, mem: AgentMemory, user: str) -> None:
        """Make the call."""
        ids = list(self.items)
        match self.verb:
            case "add":
                mem.add([{"id": id, "text": text} for id, text in self.items.items()], user_id=user)
            case "add_batch":
                results = mem.add_batch([{"id": id, "text": text} for id, text in self.items.items()], user_id=user)
                assert [r.error for r in results] == [None] * len(ids)
            case "update":
                mem.update(ids[0], user_id=user, text=self.items[ids[0]])
            case "delete":
                assert mem.delete(ids, user_id=user) == len(ids)
            case "purge":
                assert mem.purge(ids, user_id=user) == len(ids)

    def applied(self, state: State) -> State:
        """Return the memories after the call."""
        if self.verb in ("delete", "purge"):
            return {id: text for id, text in state.items() if id not in self.items}
        return {**state, **self.items}


def steps(seed: str, state: State) -> Iterator[Step]:
    """Give a worker's calls, without end.

    Args:
        seed: Names the worker and the round; ids and words have it in them, so that they are unique.
        state: The memories it starts with.
    """
    rng, state, number = random.Random(seed), dict(state), 0
    while True:
        number += 1
        verb = rng.choices(("add", "add_batch", "update", "delete", "purge"), (8, 2, 4, 2, 1))[0]
        if verb in ("add", "add_batch"):
            several = rng.randrange(2, 30) if verb == "add_batch" else rng.choice((1, 1, 1, 2))
            items = {f"{seed} {number} {n}": _text(rng, f"w{seed}n{number}n{n}") for n in range(several)}
        elif state:
            items = {id: _text(rng, f"w{seed}n{number}") for id in rng.sample(sorted(state), 1 if verb == "update" else min(2, len(state)))}
        else:
            continue
        step = Step(verb, items)
        state = step.applied(state)
        yield step


def _text(rng: random.Random, word: str) -> str:
    """Return a text with a word of its own, mostly short, sometimes longer than a page."""
    return f"{word.replace(' ', '')} " + " ".join(rng.choice(("tea", "milk", "rain")) for _ in range(rng.choice((3, 5, 8, 40, 2_500))))


@dataclass
class Load:
    """Workers that write at the same time, each in memories of its own.

    Args:
        seed: Names the round.
        start: What is in the file, by worker.
        acknowledge: Called with the worker's number after every call that returned.
    """

    seed: str
    start: Mapping[int, State]
    acknowledge: Callable[[int], None]
    failures: list[BaseException] = field(default_factory=list)
    over: bool = False

    def run(self, mem: AgentMemory, most: int = 1_000_000) -> None:
        """Let the workers do `most` calls each, or until `over` is set."""
        threads = [threading.Thread(target=self._work, args=(mem, worker, most)) for worker in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, mem: AgentMemory, worker: int, most: int) -> None:
        try:
            for _, step in zip(range(most), steps(f"{self.seed}x{worker}", self.start.get(worker, {})), strict=False):
                if self.over:
                    return
                step.run(mem, f"user {worker}")
                self.acknowledge(worker)
        except BaseException as error:  # noqa: BLE001 - shown by whoever started the load
            self.failures.append(error)


def after_a_crash(
    path: str, seed: str, start: Mapping[int, State], acknowledged: Mapping[int, int], *, suffix_may_be_lost: bool = False
) -> tuple[dict[int, State], int]:
    """Check the file that a crash left, and return what is in it by worker, and how many acknowledged calls are not.

    Args:
        path: The file.
        seed: That of the `Load`.
        start: What was in the file before.
        acknowledged: How many calls of each worker were.
        suffix_may_be_lost: A worker's last calls may be missing, though never one before a call that is there.
    """
    try:
        with AgentMemory(path, embedder=EMBEDDER) as mem:
            found = {w: {m.id: m.text for m in mem.list(user_id=f"user {w}", limit=10_000)} for w in range(WORKERS)}
            lost = sum(_lost(f"{seed}x{w}", start.get(w, {}), acknowledged.get(w, 0), found[w], suffix_may_be_lost) for w in range(WORKERS))
            _is_found(mem, found, random.Random(seed))
    except AgentMemError as error:
        raise AssertionError(f"after the crash of round {seed}: {error}") from error
    is_sound(path)
    return found, lost


def _lost(seed: str, state: State, acknowledged: int, found: State, suffix_may_be_lost: bool) -> int:
    """Return how many acknowledged calls are missing; fail if `found` is not what some number of calls leaves."""
    states = [state]
    for step in steps(seed, state):
        if len(states) > acknowledged + 1:
            break
        states.append(step.applied(states[-1]))
    possible = range(0 if suffix_may_be_lost else acknowledged, len(states))
    there = [n for n in possible if states[n] == found]
    wanted = states[acknowledged]
    missing, strange = set(wanted.items()) - set(found.items()), set(found.items()) - set(wanted.items())
    assert there, f"{seed}, {acknowledged} calls: missing {sorted(missing)[:3]!r:.300}, not expected {sorted(strange)[:3]!r:.300}"
    return max(0, acknowledged - max(there))


def _is_found(mem: AgentMemory, found: Mapping[int, State], rng: random.Random) -> None:
    """Every memory is found by its id, by its own word and by its vector; of many, a sample."""
    for worker, state in found.items():
        user = f"user {worker}"
        for id in rng.sample(sorted(state), min(len(state), 60)):
            memory, text = mem.get(id, user_id=user), state[id]
            assert memory is not None, id
            assert memory.text == text, id
            assert [h.memory.id for h in mem.search(text.split()[0], user_id=user, using="text")] == [id], id
            nearest = mem.search(text, user_id=user, using="vector", k=3)
            assert id in [h.memory.id for h in nearest], id


def is_sound(path: str) -> None:
    """Check the file as SQLite sees it: structure, index of words, one true vector for each live memory, no orphans."""
    connection = apsw.Connection(path)
    connection.set_busy_timeout(10_000)  # a thread of a memory may be copying the log
    try:
        run: Callable[..., Any] = connection.execute
        assert connection.pragma("integrity_check") == "ok"
        assert connection.pragma("foreign_key_check") is None
        run("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
        for id, text, name, count, vector in run(
            "SELECT m.id, m.text, m.name, count(v.no), v.vector FROM memories m "
            "LEFT JOIN vectors v ON v.memory = m.no AND v.scope = m.scope AND v.field = 'text' "
            "WHERE m.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.memory = m.no) GROUP BY m.no"
        ):
            assert count == 1, id
            assert vector == EMBEDDER.embed_documents([spoken(text, name)])[0].tobytes(), id
        for table in ("vectors", "history", "jobs"):
            assert not run(f"SELECT count(*) FROM {table} WHERE memory NOT IN (SELECT no FROM memories)").get, table
        dead = "SELECT no FROM memories WHERE deleted_at IS NOT NULL"
        assert not run(f"SELECT count(*) FROM vectors WHERE memory IN ({dead})").get
        assert not run(f"SELECT count(*) FROM ({dead}) WHERE no NOT IN (SELECT memory FROM history WHERE event = 'DELETE')").get
    finally:
        connection.close()


def cut_rounds(folder: Path, rounds: int, durability: Durability, seed: int) -> tuple[int, int]:
    """Cut the power `rounds` times under load, each time in another instant, and check what is left.

    A round goes on from what the last one left; every sixth starts with no file at all.

    Returns:
        How many calls were acknowledged before the cuts, and how many of these were lost.
    """
    rng, operations, all_acknowledged, all_lost = random.Random(seed), 300, 0, 0
    start: dict[int, State] = {}
    for number in range(rounds):
        here, there = folder / f"round {number}", folder / f"round {number + 1}"
        if number % 6 == 0:
            start = {}
            here = folder / f"round {number} new"
            here.mkdir()
        there.mkdir()
        name = f"r{seed}x{number}"
        most = rng.choice((4, 12, 40))
        cut_at = rng.randrange(1, operations + 1)
        done, operations = _cut_once(str(here / "memory.db"), there, Load(name, start, print), most, durability, cut_at, rng)
        start, lost = after_a_crash(str(there / "memory.db"), name, start, done, suffix_may_be_lost=durability == "normal")
        all_acknowledged, all_lost = all_acknowledged + done.total(), all_lost + lost
        shutil.rmtree(here)
    return all_acknowledged, all_lost


def _cut_once(
    path: str, there: Path, load: Load, most: int, durability: Durability, cut_at: int, rng: random.Random
) -> tuple[Counter[int], int]:
    """Run the load, cut the power before the operation `cut_at`; return what was acknowledged by then, and how many there were."""
    acknowledged: list[int] = []
    at_the_cut: list[Counter[int]] = []

    def cut(number: int) -> None:
        if number == cut_at:
            at_the_cut.append(Counter(acknowledged))  # first: what is acknowledged from here on, the cut may not know
            disk.lose(there, rng)

    load.acknowledge = acknowledged.append
    with PowerLossVFS(before=cut) as disk:
        with AgentMemory(path, embedder=EMBEDDER, durability=durability) as mem:
            load.run(mem, most)
        if not at_the_cut:
            cut(cut_at)
    assert not load.failures, load.failures
    return at_the_cut[0], disk.operations


def counted(acknowledgements: bytes | list[int]) -> Counter[int]:
    """Return how many calls of each worker were acknowledged."""
    return Counter(int(chr(n)) for n in acknowledgements) if isinstance(acknowledgements, bytes) else Counter(acknowledgements)


if __name__ == "__main__":
    _path, _durability, _seed = sys.argv[1:]
    _start = {int(worker): state for worker, state in json.loads(sys.stdin.read()).items()}
    _load = Load(_seed, _start, lambda worker: os.write(1, b"%d" % worker) and None)
    with AgentMemory(_path, embedder=EMBEDDER, durability=_durability) as _mem:  # type: ignore[arg-type]
        _load.run(_mem)
    raise SystemExit(f"nobody killed this program: {_load.failures}")
