"""What is done with one store in a process of its own: what it is, adds, losses, searches, recall.

Each job takes names and numbers and returns numbers, as JSON carries them between the processes.
"""

import os
import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final, cast

from ..recall.questions import read
from ..texts import Conversation, questions
from .peer import Embedder, Peer, Turn, plain_turn, turn_of

CUTS: Final = (5, 10, 20)  # of recall
K: Final = 10  # of a timed search
WARM_ADDS: Final = 20
WARM_SEARCHES: Final = 10
SAID: Final = 80  # characters of an error's message

Opener = Callable[[Path, Embedder], Peer]


def opener(home: str) -> Opener:
    """Return the class at `package.module:Class`."""
    module, _, name = home.partition(":")
    return cast(Opener, getattr(import_module(module), name))


def probe(home: str, folder: str, needs: Sequence[str], **_: Any) -> dict[str, Any]:
    """Return why the store cannot be used here, or None, and the versions of what it needs."""
    versions = {}
    for name in needs:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            return {"missing": f"{name} is not installed", "versions": {}}
    reason = getattr(import_module(home.partition(":")[0]), "missing", lambda: None)()
    if reason is None:
        opener(home)(Path(folder), Embedder()).close()
    return {"missing": reason, "versions": versions | {"python": platform.python_version()}}


def adds(home: str, folder: str, seed: int, count: int, threads: int, limit_s: float, **_: Any) -> dict[str, Any]:
    """Add turns one at a time, from some threads that share the store, until all are there or the time is over.

    Returns:
        `seconds` until everything was saved, `returned` until the last add came back, the ids that were `acknowledged`, and how
        often which error came.
    """
    peer = opener(home)(Path(folder), Embedder())
    texts = Conversation(seed).take(WARM_ADDS + count)
    for n, text in enumerate(texts[:WARM_ADDS]):
        peer.add(plain_turn(f"warm-{n}", text))
    peer.save()
    rest = iter([plain_turn(f"t{n}", text) for n, text in enumerate(texts[WARM_ADDS:])])
    began = perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = [work.result() for work in [pool.submit(_add_all, peer, rest, began + limit_s) for _ in range(threads)]]
    returned = perf_counter() - began
    errors = sum((found for _, found in done), Counter[str]())
    errors += _ending(peer)
    seconds = perf_counter() - began
    return {"seconds": seconds, "returned": returned, "acknowledged": [id for ids, _ in done for id in ids], "errors": errors}


def _add_all(peer: Peer, turns: Iterator[Turn], until: float) -> tuple[list[str], Counter[str]]:
    acknowledged, errors = [], Counter[str]()
    for turn in turns:
        try:
            peer.add(turn)
            acknowledged.append(turn.id)
        except Exception as error:  # noqa: BLE001 - what a store raises under load is what is measured
            errors[_named(error)] += 1
        if perf_counter() > until:
            break
    return acknowledged, errors


def _ending(peer: Peer) -> Counter[str]:
    """Save and close; return what went wrong."""
    errors = Counter[str]()
    for step in (peer.save, peer.close):
        try:
            step()
        except Exception as error:  # noqa: BLE001 - as above
            errors[f"{step.__name__}: {_named(error)}"] += 1
    return errors


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:SAID]}"


def killed(home: str, folder: str, seed: int, count: int, **_: Any) -> dict[str, Any]:
    """Add turns and name each on stdout when its add has returned, until somebody kills this process."""
    peer = opener(home)(Path(folder), Embedder())
    for n, text in enumerate(Conversation(seed).take(count)):
        peer.add(plain_turn(f"t{n}", text))
        os.write(int(os.environ["AGENTMEM_BENCH_OUT"]), f"t{n}\n".encode())
    return {}


def lost(home: str, folder: str, acknowledged: Sequence[str], **_: Any) -> dict[str, Any]:
    """Open the store again and return how many of these are not there."""
    peer = opener(home)(Path(folder), Embedder())
    there = peer.ids()
    peer.close()
    return {"lost": len(set(acknowledged) - there)}


def fill(home: str, folder: str, seed: int, memories: int, **_: Any) -> dict[str, Any]:
    """Store many turns in the fastest way there is; return the seconds and the bytes on disk."""
    peer = opener(home)(Path(folder), Embedder())
    turns = [plain_turn(f"t{n}", text) for n, text in enumerate(Conversation(seed).take(memories))]
    began = perf_counter()
    peer.add_many(turns)
    peer.save()
    seconds = perf_counter() - began
    peer.close()
    return {"seconds": seconds, "bytes": sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())}


def searches(home: str, folder: str, seed: int, memories: int, asked: int, turn: int, ways: Sequence[str], **_: Any) -> dict[str, Any]:
    """Open a full store and time searches, all questions in one way and then in the next; and see whether all is there.

    Returns:
        By way the seconds of each search; the peak of the process's memory, in bytes; how many turns are `lost`.
    """
    texts = Conversation(seed).take(memories)
    embedder = Embedder()
    said = questions(texts, WARM_SEARCHES + asked, seed + turn)
    embedder.prepare(said)
    peer = opener(home)(Path(folder), embedder)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for way in ways:  # one after the other: each has the processor's caches to itself, as a store with one way has
        for n, question in enumerate(said):
            began = perf_counter()
            peer.search(way, question, K)
            if n >= WARM_SEARCHES:
                times[way].append(perf_counter() - began)
    peak = peak_bytes()
    there = peer.ids()
    peer.close()
    return {"times": times, "peak": peak, "lost": len({f"t{n}" for n in range(memories)} - there)}


def recall(home: str, folder: str, paths: Sequence[str], ways: Sequence[str], **_: Any) -> dict[str, Any]:
    """Return, by way and data set, the number of questions and the mean recall at each of `CUTS`."""
    open_, found = opener(home), {way: dict[str, list[list[float]]]() for way in ways}
    for told in (one for path in paths for one in read(Path(path))):
        embedder = Embedder()
        embedder.prepare(asked.text for asked in told.asked)
        with TemporaryDirectory(dir=folder) as own:
            peer = open_(Path(own), embedder)
            peer.add_many([turn_of(item) for item in told.items])
            for asked in told.asked:
                for way in ways:
                    ids = peer.search(way, asked.text, max(CUTS))
                    shares = [len(asked.answers.intersection(ids[:cut])) / len(asked.answers) for cut in CUTS]
                    found[way].setdefault(told.source, []).append(shares)
            peer.close()
    return {
        way: {source: [len(rows), *(sum(column) / len(rows) for column in zip(*rows, strict=True))] for source, rows in of.items()}
        for way, of in found.items()
    }


def peak_bytes() -> int:
    """Return the most memory this process has had, in bytes.

    From VmHWM where there is one: Linux lets ru_maxrss of a child begin at the size of its parent.
    """
    try:
        with Path("/proc/self/status").open() as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
    except OSError:
        import resource  # there is none on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


JOBS: Final[dict[str, Callable[..., dict[str, Any]]]] = {job.__name__: job for job in (probe, adds, killed, lost, fill, searches, recall)}
