"""Files that something happened to: bits flipped, pieces lost, numbers changed. Opening one is an error of ours, or works."""

import io
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from agentmem_integrations import AgentMemError, AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder

HEADER: Final = 100  # bytes of SQLite's own at the beginning of a file
PAGE: Final = 8_192


def filled(path: str) -> None:
    """Make a file with something in every table, and in the text index more than one page."""
    with AgentMemory(path, embedder=HashEmbedder()) as mem:
        items = [{"text": f"note {n} of word{n % 97}", "id": f"n{n}", "metadata": {"n": n, "deep": [{"a": None}]}} for n in range(300)]
        mem.add_batch(items, user_id="ana", name="Ana", timestamp="2026-05-02", session_id="s")
        mem.add("long " + "words " * 5_000, user_id="ana", id="long", ttl=1e6)
        for n in range(0, 60, 2):
            mem.update(f"n{n}", user_id="ana", text=f"changed {n}", metadata={"changed": n})
        mem.delete([f"n{n}" for n in range(0, 60, 3)], user_id="ana")
        mem.add("说话的人", user_id="ben", importance=0.5)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return the content with something wrong."""
    whole = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(whole)) if whole else 0
        match rng.randrange(8):
            case 0 | 1:
                whole[at : at + 1] = bytes([(whole[at] if at < len(whole) else 0) ^ (1 << rng.randrange(8))])
            case 2:
                del whole[at:]
            case 3:
                whole[at : at + 512] = bytes(len(whole[at : at + 512]))
            case 4:
                del whole[at : at + rng.randrange(1, 600)]
            case 5:
                whole[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 6:
                other = rng.randrange(len(whole)) if whole else 0
                whole[at : at + 64] = whole[other : other + len(whole[at : at + 64])]
            case 7:
                whole[at : at + 4] = rng.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\1"))
    return bytes(whole)


def mutated_database(content: bytes, rng: random.Random) -> bytes:
    """Return a database with something wrong: anywhere, in the header, at the head of a page, or with pages exchanged."""
    whole, pages = bytearray(content), len(content) // PAGE
    match rng.randrange(5):
        case 0:
            return mutated(content, rng)
        case 1:
            for _ in range(rng.randrange(1, 4)):
                whole[rng.randrange(HEADER)] = rng.randrange(256)
        case 2:
            for _ in range(rng.randrange(1, 4)):
                whole[rng.randrange(pages) * PAGE + rng.randrange(60)] = rng.randrange(256)
        case 3:
            one, other = rng.randrange(pages) * PAGE, rng.randrange(pages) * PAGE
            whole[one : one + PAGE] = content[other : other + PAGE]
        case 4:  # in a row, where a number, a length or a letter changes and the page stays whole
            for _ in range(rng.randrange(1, 200)):
                at = rng.randrange(len(whole))
                if whole[at]:
                    whole[at] ^= 1 << rng.randrange(8)
    return bytes(whole)


CALLS: Final[list[Callable[[AgentMemory], Any]]] = [
    lambda mem: mem.list(user_id="ana", limit=1_000),
    lambda mem: mem.list(user_id="ana", filter={"n": {"$gt": 3}, "deep": {"$contains": {"a": None}}}),
    lambda mem: mem.search("changed word5", user_id="ana", k=50, after="2026-01-01"),
    lambda mem: mem.search("note", user_id="ana", using="text", k=500),
    lambda mem: mem.get("n7"),
    lambda mem: mem.history("n6", user_id="ana"),
    lambda mem: mem.stats(),
    lambda mem: mem.add("something new", user_id="ana"),
    lambda mem: mem.update("n8", user_id="ana", text="new words"),
    lambda mem: mem.add("new words again", user_id="ana", id="n10"),
    lambda mem: mem.export(io.BytesIO(), vectors=True),
    lambda mem: mem.flush(),
    lambda mem: mem.delete("n9", user_id="ana"),
    lambda mem: mem.purge("n11", user_id="ana"),
    lambda mem: mem.purge(user_id="ana"),
]


def use(path: Path) -> Counter[str]:
    """Open the file and use it; return how often which error came, and how often none."""
    found: Counter[str] = Counter()
    try:
        mem = AgentMemory(path, embedder=HashEmbedder())
    except AgentMemError as error:
        return Counter([type(error).__name__])
    with mem:
        for call in CALLS:
            try:
                call(mem)
            except AgentMemError as error:
                found[type(error).__name__] += 1
            else:
                found["worked"] += 1
    return found


def open_rounds(folder: Path, rounds: int, seed: int) -> Counter[str]:
    """Damage a file `rounds` times and use what is left; return what came of the calls."""
    rng, found = random.Random(seed), Counter[str]()
    filled(str(folder / "sound.db"))
    content = (folder / "sound.db").read_bytes()
    for number in range(rounds):
        path = folder / f"{number}.db"
        path.write_bytes(mutated_database(content, rng))
        try:
            found += use(path)
        except BaseException as error:
            error.add_note(f"seed {seed}, round {number}: {path}")
            raise
        for file in folder.glob(f"{number}.db*"):
            file.unlink()
    return found


VALUES: Final[list[Any]] = [
    None, True, 0, -1, 10**18, 10**400, 1.5, float("nan"), float("inf"), "", "x", "a\0b", "\ud800", "2026-05-02",
    "9999-12-31T23:59:59-23:59", [], {}, [[]], {"a": {"b": []}}, ["x"] * 50, "x" * 200_000, {"k" * 2_000: 1}, [{"event": "ADD"}],
    "00" * 16, "AAAA",
]  # fmt: skip


KEYS: Final = ("shared", "path", "vectors", "twin", "deleted_at", "valid_to", "value", "unknown", "provenance")


def _inside(place: Any) -> list[Any]:
    return list(place.values()) if isinstance(place, dict) else place


def mutated_line(line: bytes, rng: random.Random) -> bytes:
    """Return a line of an export with something wrong inside, but still JSON; or damaged bytes."""
    if rng.random() < 0.3:
        return mutated(line, rng).replace(b"\n", b" ")
    try:
        whole: Any = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not whole or not isinstance(whole, dict):
        return line
    place = whole
    while rng.random() < 0.5 and (inner := [v for v in _inside(place) if v and isinstance(v, dict | list)]):
        place = rng.choice(inner)
    key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
    match rng.randrange(4):
        case 0:
            del place[key]
        case 1 if isinstance(place, dict):
            place[rng.choice(["shared", "path", "vectors", "twin", "deleted_at", "valid_to", "value", "unknown", "provenance"])] = (
                rng.choice(VALUES)
            )
        case _:
            place[key] = rng.choice(VALUES)
    if rng.random() < 0.05:
        return b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    return json.dumps(whole).encode()


def import_rounds(folder: Path, rounds: int, seed: int) -> Counter[str]:
    """Damage an export `rounds` times and import it, into a file that must stay sound; return what came of it."""
    rng, found = random.Random(seed), Counter[str]()
    filled(str(folder / "exported.db"))
    with AgentMemory(folder / "exported.db", embedder=HashEmbedder()) as source:
        source.purge([f"n{n}" for n in range(90, 300)], user_id="ana")
        files = [io.BytesIO(), io.BytesIO()]
        source.export(files[0])
        source.export(files[1], vectors=True)
    exports = [file.getvalue().splitlines() for file in files]
    with AgentMemory(folder / "into.db", embedder=HashEmbedder()) as mem:
        for number in range(rounds):
            lines = list(rng.choice(exports))
            for _ in range(rng.choice((1, 1, 2, 5))):
                at = 0 if rng.random() < 0.2 else rng.randrange(len(lines))
                lines[at] = mutated_line(lines[at], rng)
            if rng.random() < 0.1:
                del lines[rng.randrange(len(lines)) :]
            try:
                mem.import_(io.BytesIO(b"\n".join(lines)))
            except AgentMemError as error:
                if "the write failed" in str(error):
                    raise AssertionError(f"seed {seed}, round {number}: {error}") from error
                found[type(error).__name__] += 1
            except BaseException as error:
                error.add_note(f"seed {seed}, round {number}")
                raise
            else:
                found["worked"] += 1
            if number % 20 == 0:
                for user in ("ana", "ben"):
                    mem.purge(user_id=user)
    return found
