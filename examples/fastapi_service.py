"""A web service with a memory: every request awaits, none blocks the event loop.

python examples/fastapi_service.py                  # calls itself once, without a network
uvicorn examples.fastapi_service:app                # serves; needs `pip install uvicorn`
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from agentmem_integrations import AgentMemory, InvalidInputError


class Message(BaseModel):
    """What somebody said."""

    text: str
    session_id: str | None = None


@asynccontextmanager
async def memory_of_the_service(app: FastAPI) -> AsyncIterator[None]:
    """Open the memory when the service starts, and close it when it ends. One object serves all requests."""
    async with AgentMemory("service.db") as app.state.memory:
        yield


app = FastAPI(lifespan=memory_of_the_service)


@app.post("/users/{user_id}/messages")
async def remember(user_id: str, message: Message) -> dict[str, str]:
    """Remember a message. Whoever the user is must be known from a login, not from the address as in this example."""
    try:
        result = await app.state.memory.aadd(message.text, user_id=user_id, session_id=message.session_id)
    except InvalidInputError as error:  # its message names what was wrong, and never quotes anybody's memory
        raise HTTPException(422, str(error)) from None
    return {"id": result.events[0].memory.id, "event": result.events[0].event}


@app.get("/users/{user_id}/memories")
async def recall(user_id: str, q: str, k: int = 5) -> list[dict[str, Any]]:
    """Find what this user said."""
    return [{"score": hit.score, "text": hit.memory.text} for hit in await app.state.memory.asearch(q, user_id=user_id, k=k)]


async def call_it() -> None:
    """Be a client of the service, in the same process."""
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        said = ("I sold my bicycle", "My brother plays the trumpet", "The doctor told me to eat less salt", "I moved to Lisbon in May")
        await asyncio.gather(*(client.post("/users/ana/messages", json={"text": text}) for text in said))
        for user in ("ana", "ben"):
            print(user, (await client.get(f"/users/{user}/memories", params={"q": "which instrument?", "k": 1})).json())
        print((await client.post("/users/ana/messages", json={"text": " "})).json()["detail"])


if __name__ == "__main__":
    asyncio.run(call_it())
