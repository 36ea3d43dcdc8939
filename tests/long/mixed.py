"""Mixed calls by many workers on one file, and the check of what they left.

Each worker has a user of its own and shares others with everybody. To those it adds memories that only it changes, and tells
what the others tell too: twins, of which one must win. Run as a program it is one of several processes:
`python -m long.mixed PATH PROCESS THREADS TASKS CALLS SEED`; it prints what its workers were told, as JSON.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from long.crashes import EMBEDDER, State, is_sound

from agentmem_integrations import AgentMemory
from agentmem_integrations.models import AddResult

TESTS = Path(__file__).parent.parent
SHARED = ("shared 0", "shared 1")
TWINS = 40
VERBS = {"add": 30, "twin": 15, "update": 12, "delete": 8, "search": 15, "get": 12, "add_batch": 4, "list": 4}

Call = tuple[str, tuple[Any, ...], dict[str, Any], Callable[[Any], None]]
"""Method, arguments, options, and what notes the answer."""


@dataclass
class Told:
    """What a worker was told.

    Attributes:
        live: Its memories, text by id, by user.
        twins: Of each twin it told: user, text, event, id.
        calls: How many were answered.
        errors: What went wrong.
    """

    live: dict[str, State] = field(default_factory=dict)
    twins: list[tuple[str, str, str, str]] = field(default_factory=list)
    calls: int = 0
    errors: list[str] = field(default_factory=list)


class Worker:
    """Makes calls one after the other.

    Args:
        name: Its own.
        seed: Of the choices.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.told = Told()
        self._name = name
        self._random = random.Random(f"{seed} {name}")
        self._number = 0

    def calls(self, count: int) -> Iterator[Call]:
        for _ in range(count):
            user = self._random.choice((self._name, self._name, *SHARED))
            verb = self._random.choices(list(VERBS), list(VERBS.values()))[0]
            live = self.told.live.setdefault(user, {})
            if verb == "twin":
                text = f"everybody says {self._random.randrange(TWINS)}"
                shared = self._random.choice(SHARED)
                yield "add", (text,), {"user_id": shared}, self._twin(shared, text)
            elif verb in ("add", "add_batch") or not live:
                texts = [self._text() for _ in range(8 if verb == "add_batch" else 1)]
                yield ("add_batch" if verb == "add_batch" else "add"), (texts,), {"user_id": user}, self._added(live, texts)
            else:
                yield self._of(verb, user, live)

    def _of(self, verb: str, user: str, live: State) -> Call:
        id = self._random.choice(list(live))
        text, named = live[id], {"user_id": user}
        match verb:
            case "update":
                new = self._text()
                return "update", (id,), {**named, "text": new}, lambda memory: live.update({id: new})
            case "delete":
                return "delete", (id,), named, lambda count: self._expect(count == 1 and bool(live.pop(id)), f"deleted {count}")
            case "get":
                return "get", (id,), named, lambda memory: self._expect(memory is not None and memory.text == text, f"get {memory}")
            case "list":
                return "list", (), {**named, "limit": 10_000}, lambda found: self._whole(user, live, {m.id: m.text for m in found})
        return "search", (text,), {**named, "k": 5}, lambda hits: self._expect(id in [h.memory.id for h in hits], f"search {text}")

    def _text(self) -> str:
        self._number += 1
        return f"{self._name.replace(' ', '')}n{self._number} tea {self._random.choice(('milk', 'rain', 'wind'))}"

    def _added(self, live: State, texts: Sequence[str]) -> Callable[[Any], None]:
        def note(answer: AddResult | list[AddResult]) -> None:
            events = [event for result in (answer if isinstance(answer, list) else [answer]) for event in result.events]
            self._expect([event.event for event in events] == ["ADD"] * len(texts), f"add {events}")
            live.update({event.memory.id: text for event, text in zip(events, texts, strict=True)})

        return note

    def _twin(self, user: str, text: str) -> Callable[[AddResult], None]:
        def note(result: AddResult) -> None:
            (event,) = result.events
            self.told.twins.append((user, text, event.event, event.memory.id))

        return note

    def _whole(self, user: str, live: State, found: State) -> None:
        others = user in SHARED
        self._expect(live.items() <= found.items() if others else live == found, f"list of {user}")

    def _expect(self, true: bool, what: str) -> None:
        if not true:
            self.told.errors.append(what)

    def answered(self, note: Callable[[Any], None], answer: Any) -> None:
        self.told.calls += 1
        note(answer)

    def work(self, mem: AgentMemory, count: int) -> None:
        for verb, args, options, note in self.calls(count):
            try:
                self.answered(note, getattr(mem, verb)(*args, **options))
            except Exception as error:  # noqa: BLE001 - whatever it is, the test must tell
                self.told.errors.append(f"{verb}: {error!r}")

    async def awork(self, mem: AgentMemory, count: int) -> None:
        for verb, args, options, note in self.calls(count):
            try:
                self.answered(note, await getattr(mem, f"a{verb}")(*args, **options))
            except Exception as error:  # noqa: BLE001 - whatever it is, the test must tell
                self.told.errors.append(f"{verb}: {error!r}")


def run(memories: Sequence[AgentMemory], process: int, threads: int, tasks: int, calls: int, seed: int) -> list[Told]:
    """Let workers call, some in threads and some as tasks of one event loop, and return what they were told.

    Args:
        memories: Shared out among the workers.
        process: Makes the workers' names unique.
        threads: How many.
        tasks: How many.
        calls: Of each worker.
        seed: Of the choices.
    """
    workers = [Worker(f"w{process}x{n}", seed) for n in range(threads + tasks)]

    async def loop() -> None:
        await asyncio.gather(*(w.awork(memories[n % len(memories)], calls) for n, w in enumerate(workers[threads:])))

    with ThreadPoolExecutor(threads + 1) as pool:
        running = [pool.submit(w.work, memories[n % len(memories)], calls) for n, w in enumerate(workers[:threads])]
        running.append(pool.submit(lambda: asyncio.run(loop())))
        for done in running:
            done.result()
    return [worker.told for worker in workers]


def run_processes(path: str, processes: int, threads: int, tasks: int, calls: int, seed: int) -> list[Told]:
    """Do the same in several processes at once."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))}
    arguments = [[path, str(process), str(threads), str(tasks), str(calls), str(seed)] for process in range(processes)]
    children = [
        subprocess.Popen([sys.executable, "-m", "long.mixed", *a], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        for a in arguments
    ]
    told = []
    try:
        for child in children:
            said, complaints = child.communicate(timeout=1_200)
            assert child.returncode == 0, complaints.decode()
            told += [Told(**worker) for worker in json.loads(said)]
    finally:
        for child in children:
            child.kill()
            child.communicate()
    return told


def check(mem: AgentMemory, told: Sequence[Told]) -> int:
    """Compare what is there with what the workers were told; return how many calls were answered."""
    assert [error for worker in told for error in worker.errors] == []
    expected: dict[str, State] = defaultdict(dict)
    for worker in told:
        for user, live in worker.live.items():
            assert not expected[user].keys() & live.keys(), "an id was given twice"
            expected[user] |= live
    twins: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for user, text, event, id in (twin for worker in told for twin in worker.twins):
        twins[user, text].append((event, id))
    for (user, text), answers in twins.items():
        assert len({id for _, id in answers}) == 1, f"{text}: told apart"
        assert sorted(event for event, _ in answers) == ["ADD"] + ["NONE"] * (len(answers) - 1), text
        expected[user][answers[0][1]] = text
    for user, live in expected.items():
        listed = mem.list(user_id=user, limit=10_000)
        assert len(listed) == len(live), f"{user}: {len(listed)} there, {len(live)} acknowledged"
        assert {m.id: m.text for m in listed} == live
        for id, text in list(live.items())[:: 1 + len(live) // 20]:
            for using in ("text", "vector"):
                assert id in [h.memory.id for h in mem.search(text, user_id=user, using=using, k=5)], f"{user}: {text} by {using}"
    assert mem.stats()["memories"] == sum(map(len, expected.values()))
    return sum(worker.calls for worker in told)


def check_file(path: str, told: Sequence[Told]) -> int:
    """Check a file that nobody has open."""
    with AgentMemory(path, embedder=EMBEDDER) as mem:
        calls = check(mem, told)
    is_sound(path)
    return calls


if __name__ == "__main__":
    _path, *_numbers = sys.argv[1:]
    with AgentMemory(_path, embedder=EMBEDDER) as _mem:
        print(json.dumps([asdict(told) for told in run([_mem], *map(int, _numbers))]))
