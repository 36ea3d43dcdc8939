"""An await that is cancelled leaves a whole change or none, at whatever instant."""

import asyncio
import io
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from long.crashes import EMBEDDER, State, is_sound

from agentmem_integrations import AgentMemory

USERS = 24
Verb = Callable[[AgentMemory, str], Awaitable[Any]]


def start(user: str) -> State:
    return {f"{user} {n}": f"{user.replace(' ', '')}n{n} tea" for n in range(4)}


def more(user: str, count: int) -> State:
    return {f"{user} new {n}": f"{user.replace(' ', '')}new{n} milk" for n in range(count)}


def items(state: State) -> list[Any]:
    return [{"id": id, "text": text} for id, text in state.items()]


def exported(user: str) -> io.BytesIO:
    target = io.BytesIO()
    with AgentMemory("memory://", embedder=EMBEDDER) as mem:
        mem.add_batch(items(more(user, 30)), user_id=user)
        mem.export(target)
    target.seek(0)
    return target


VERBS: dict[str, tuple[Verb, Callable[[str], State]]] = {
    "add": (lambda mem, user: mem.aadd(items(more(user, 2)), user_id=user), lambda user: start(user) | more(user, 2)),
    "add_batch": (lambda mem, user: mem.aadd_batch(items(more(user, 40)), user_id=user), lambda user: start(user) | more(user, 40)),
    "import_": (lambda mem, user: mem.aimport_(exported(user)), lambda user: start(user) | more(user, 30)),
    "update": (
        lambda mem, user: mem.aupdate(f"{user} 0", user_id=user, text=f"{user.replace(' ', '')}changed rain"),
        lambda user: {**start(user), f"{user} 0": f"{user.replace(' ', '')}changed rain"},
    ),
    "delete": (lambda mem, user: mem.adelete(user_id=user), lambda user: {}),
    "purge": (lambda mem, user: mem.apurge(user_id=user), lambda user: {}),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_cancelled_await_leaves_a_whole_change_or_none(path: str, verb: str) -> None:
    call, after = VERBS[verb]
    rng, users = random.Random(verb), [f"user {n}" for n in range(USERS)]
    mem = AgentMemory(path, embedder=EMBEDDER)
    for user in users:
        mem.add_batch(items(start(user)), user_id=user)
    returned: set[str] = set()

    async def cancelled(user: str) -> None:
        task = asyncio.ensure_future(call(mem, user))
        await asyncio.sleep(rng.choice((0, 0.001, 0.01, 0.05)) * rng.random())
        task.cancel()
        try:
            await task
            returned.add(user)
        except asyncio.CancelledError:
            pass

    await asyncio.gather(*map(cancelled, users[1:]))
    await call(mem, users[0])  # the way is still open
    returned.add(users[0])
    await mem.aclose()
    with AgentMemory(path, embedder=EMBEDDER) as again:
        for user in users:
            found = {m.id: m.text for m in again.list(user_id=user)}
            assert found == after(user) or (user not in returned and found == start(user)), user
            for id, text in found.items():
                assert [h.memory.id for h in again.search(text.split()[0], user_id=user, using="text")] == [id]
    is_sound(path)
