"""Leaving a program without close(), in every way there is: it does not hang, and what was acknowledged is there."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from long.crashes import is_sound

from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]

BEGINNING = """
import asyncio, os, sys, threading, time
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder

mem = AgentMemory(sys.argv[1], embedder=HashEmbedder())
lock = threading.Lock()

def told(result):
    with lock:
        os.write(1, result.events[0].memory.text.encode() + b"\\n")

def add(count, who="main"):
    for n in range(count):
        told(mem.add(f"{who} {n}", user_id="ana"))

async def aadd(count, who):
    for n in range(count):
        told(await mem.aadd(f"{who} {n}", user_id="ana"))

add(5)
mem.search("main", user_id="ana")
def busy():
    threading.Thread(target=add, args=(10**6, "busy"), daemon=True).start()
    time.sleep(0.1)
"""

ENDINGS = {
    "sys.exit in a thread": (
        """
def leave():
    add(5, "thread")
    sys.exit(3)
thread = threading.Thread(target=leave)
thread.start()
thread.join()
""",
        0,
    ),
    "sys.exit beside busy threads": ("busy(); sys.exit(3)", 3),
    "an error nobody handles": ("busy(); 1 / 0", 1),
    "an error nobody handles in a thread": (
        """
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
add(5, "on")
""",
        0,
    ),
    "an event loop that ends with adds under way": (
        """
async def main():
    tasks = [asyncio.create_task(aadd(10**6, f"task{n}")) for n in range(20)]
    await asyncio.sleep(0.2)
asyncio.run(main())
""",
        0,
    ),
    "an event loop that ends with an error and adds under way": (
        """
async def main():
    async with asyncio.TaskGroup() as group:
        for n in range(20):
            group.create_task(aadd(10**6, f"task{n}"))
        await asyncio.sleep(0.2)
        1 / 0
asyncio.run(main())
""",
        1,
    ),
    "an event loop that ends while searches wait for a thread": (
        """
async def main():
    tasks = [asyncio.create_task(mem.asearch("main", user_id="ana")) for n in range(50)]
    await asyncio.sleep(0)
asyncio.run(main())
""",
        0,
    ),
    "os._exit": ("busy(); os._exit(7)", 7),
    "a signal that ends it": ("busy(); os.kill(os.getpid(), 15)", -15 if os.name == "posix" else 15),
    "an export that is never finished": (
        """
class Never:
    def write(self, data):
        time.sleep(10**6)
threading.Thread(target=lambda: mem.export(Never()), daemon=True).start()
time.sleep(0.1)
add(5, "beside")
""",
        0,
    ),
}


if os.name == "posix":  # os.kill ends a program of Windows at once, whatever the signal
    ENDINGS["Ctrl-C"] = ("busy(); os.kill(os.getpid(), 2); time.sleep(5)", -2)


@pytest.mark.parametrize("ending", ENDINGS)
def test_leaving_without_close_neither_hangs_nor_loses(path: str, opened: Opened, ending: str) -> None:
    program, status = ENDINGS[ending]
    done = subprocess.run(
        [sys.executable, "-c", BEGINNING + program, path], capture_output=True, text=True, timeout=60, check=False
    )  # a program that hangs fails here
    assert done.returncode == status, done.stderr
    lines = done.stdout.split("\n")[:-1]
    assert len(lines) >= 5
    there = {m.text for m in opened(path, embedder=HashEmbedder()).list(user_id="ana", limit=10_000)}
    assert set(lines) <= there
    is_sound(path)


UNDRAWN = """
import sys
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.chat import RuleChat

mem = AgentMemory(sys.argv[1], llm=RuleChat(), mode="intelligent")
for n in range(20):
    mem.add(f"I live in Town{n}", user_id="ana", wait=False)
"""


@pytest.mark.parametrize("again", range(4))
def test_leaving_facts_undrawn_is_no_trouble_to_be_told(path: str, opened: Opened, again: int) -> None:
    left = subprocess.run([sys.executable, "-c", UNDRAWN, path], capture_output=True, text=True, timeout=60, check=False)
    assert (left.returncode, left.stderr) == (0, "")
    assert opened(path, embedder="static").stats()["memories"] >= 20
