"""Two programs write and read one memory file at the same time, and neither waits for the other to be done.

python examples/two_processes.py
"""

import multiprocessing
import tempfile
from pathlib import Path

from agentmem_integrations import AgentMemory

NOTES = 200


def take_notes(path: str, name: str) -> None:
    """One program: it adds, and searches what it added at once."""
    with AgentMemory(path) as memory:
        for number in range(NOTES):
            memory.add(f"{name} saw bird number {number}", user_id="ana", session_id=name)
            assert memory.search(f"bird number {number}", user_id="ana", session_id=name, k=1)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "shared.db")
        spawn = multiprocessing.get_context("spawn")  # as two programs would be: nothing is inherited
        programs = [spawn.Process(target=take_notes, args=(path, name)) for name in ("Ana", "her telescope")]
        for program in programs:
            program.start()
        with AgentMemory(path) as memory:  # and this program is a third
            while memory.stats()["memories"] < NOTES // 2:
                programs[0].join(0.05)
            seen = memory.search("a bird", user_id="ana", k=1)[0].memory.text
            for program in programs:
                program.join()
            stored = memory.list(user_id="ana", limit=10_000)
            print(f"{len(stored)} notes of 2 programs, {2 * NOTES} were taken; found in between: {seen}")
            print("sound:", memory.verify().ok)


if __name__ == "__main__":
    main()
