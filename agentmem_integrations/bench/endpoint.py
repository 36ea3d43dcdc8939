"""Chat calls per second against a stub endpoint: what the client and its transports cost.

    python -m agentmem_integrations.bench.endpoint

The stub (`testing/openai_server.py`) runs in a process of its own, so the processor time is the client's alone.
"""

import argparse
import asyncio
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version

from ..endpoint.openai_client import Transport
from ..llm.event_loop import LoopThread
from ..llm.openai import OpenAIChat
from ..ports import ChatMessage, ChatRequest
from ..testing.openai_server import running_apart
from .results import Figure, in_turn, ratios, typical

# About 150 tokens
PROMPT = ChatRequest((ChatMessage("system", "You draw facts from talk. " * 20), ChatMessage("user", "I moved to Lisbon in May. " * 10)))


def measure(calls: int, flight: int, latency_s: float, rounds: int) -> list[Figure]:
    """Measure both transports in turn.

    Args:
        calls: In one round of one transport.
        flight: Calls under way at once.
        latency_s: Of the stub, in seconds.
        rounds: How often each is measured.
    """
    loop = LoopThread()
    cpu: dict[str, list[float]] = {"aiohttp": [], "httpx": []}
    with running_apart(latency_s=latency_s) as base_url:

        def round_of(transport: Transport) -> float:
            wall, busy = loop.run(_crowd(chats[transport], calls, flight)).result()
            cpu[transport].append(busy / calls * 1e3)
            return calls / wall

        chats = {t: OpenAIChat("stub", base_url=base_url, concurrency=flight, transport=t, loop=loop) for t in ("aiohttp", "httpx")}
        for chat in chats.values():  # connections, imports
            loop.run(_crowd(chat, flight, flight)).result()
        rate = in_turn({"aiohttp": lambda: round_of("aiohttp"), "httpx": lambda: round_of("httpx")}, rounds)
        loop.close()
    return [
        *(typical(f"{name}: calls per second", rate[name], "calls/s") for name in rate),
        *(typical(f"{name}: processor time of the client", cpu[name], "ms/call") for name in cpu),
        ratios("aiohttp / httpx, calls per second", rate["aiohttp"], rate["httpx"]),
    ]


async def _crowd(chat: OpenAIChat, calls: int, flight: int) -> tuple[float, float]:
    """Return the seconds and the processor seconds of so many calls."""

    async def one() -> None:
        for _ in range(calls // flight):
            await chat.reply(PROMPT)

    wall, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(flight)))
    return time.perf_counter() - wall, time.process_time() - busy


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m agentmem_integrations.bench.endpoint", description="Chat calls per second")
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--flight", type=int, default=200, help="calls under way at once")
    parser.add_argument("--latency", type=float, default=0.05, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    packages = ", ".join(f"{name} {version(name)}" for name in ("openai", "aiohttp"))
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {packages}")
    for f in measure(given.calls, given.flight, given.latency, given.rounds):
        print(f"  {f.name:44}{f.value:10.4g} {f.unit:10}{f.low:.4g} to {f.high:.4g}; n={f.n}")


if __name__ == "__main__":
    main()
