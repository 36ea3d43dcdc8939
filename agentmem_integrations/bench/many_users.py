"""One file of many users with few memories each: what a service that serves people looks like from the inside."""

from dataclasses import dataclass
from pathlib import Path

from .. import AgentMemory
from ..config import Durability
from .callers import in_tasks
from .texts import Texts

IN_FLIGHT = 1_000


@dataclass(frozen=True, slots=True)
class Population:
    """The file and what is known about it.

    Attributes:
        path: Of the file, closed.
        texts: All texts; every user's are those whose position is theirs modulo the number of users.
        users: Number of users.
        per_second: Memories stored per second while it was made.
        file_bytes: Size after closing, with all files beside it.
        durability: It was written with.
    """

    path: Path
    texts: list[str]
    users: int
    per_second: float
    file_bytes: int
    durability: Durability

    def open(self) -> AgentMemory:
        """Return the memory, opened."""
        return AgentMemory(self.path, durability=self.durability)

    def texts_of(self, user: int) -> list[str]:
        """Return one user's texts."""
        return self.texts[user :: self.users]


def user_name(user: int) -> str:
    """Return the id of a user by number."""
    return f"user-{user}@example.org"


def populate(path: Path, users: int, each: int, texts: Texts, durability: Durability) -> Population:
    """Make the file with single adds, many in flight.

    The users speak in turn, so that nobody's memories lie side by side, as in life.
    """
    taken = texts.take(users * each)
    adds = [(text, user_name(number % users)) for number, text in enumerate(taken)]
    with AgentMemory(path, durability=durability) as memory:
        memory.search("loads the embedder", user_id=user_name(0))
        per_second = in_tasks(lambda add: memory.aadd(add[0], user_id=add[1]), adds, IN_FLIGHT)
    file_bytes = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    return Population(path, taken, users, per_second, file_bytes, durability)
