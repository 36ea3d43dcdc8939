"""Time of one search: in scopes of several sizes, and for one user among many."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from .. import AgentMemory
from .callers import in_tasks, one_by_one
from .many_users import user_name
from .plan import Plan
from .results import Figure, latency, seconds, typical
from .texts import questions

COLD_STARTS: Final = 3
IN_FLIGHT: Final = 50
WARM_UP: Final = 20
K: Final = 10
MOODS: Final = ("calm", "happy", "tired", "angry", "curious", "sad", "proud", "busy", "worried", "amused")
"""Metadata to filter by: each holds for a tenth of the memories."""


def measure(plan: Plan) -> list[Figure]:
    """Run the benchmark."""
    return [*(figure for size in plan.sizes.scopes for figure in _scope(plan, size)), *_users(plan)]


def _scope(plan: Plan, size: int) -> list[Figure]:
    """Measure one user with so many memories, alone in the file."""
    texts, random = plan.texts.take(size), Random(plan.seed)
    with plan.fresh_folder() as folder:
        path = folder / "memory.db"
        with AgentMemory(path, durability="normal") as memory:  # it is the searches that are timed
            memory.add_batch(({"text": text, "metadata": {"mood": random.choice(MOODS)}} for text in texts), user_id="ana")
        asked = questions(texts, COLD_STARTS + WARM_UP + plan.sizes.searches, plan.seed)
        name = f"{size:,} in scope"
        cold = [_cold(path, question) for question in asked[:COLD_STARTS]]
        return [typical(f"{name}, first search after opening", cold, "ms"), *_warm(path, name, asked[COLD_STARTS:])]


def _cold(path: Path, question: str) -> float:
    """Return the milliseconds of the first search in a file just opened: the embedder and the scope's vectors are loaded."""
    with AgentMemory(path) as memory:
        return 1e3 * seconds(lambda: memory.search(question, user_id="ana", k=K))


def _warm(path: Path, name: str, asked: list[str]) -> list[Figure]:
    """Ask every question in every way, one way after the other for each question."""
    with AgentMemory(path) as memory:
        ways: dict[str, Callable[[str], object]] = {
            "hybrid": lambda q: memory.search(q, user_id="ana", k=K),
            "vector": lambda q: memory.search(q, user_id="ana", k=K, using="vector"),
            "text": lambda q: memory.search(q, user_id="ana", k=K, using="text"),
            "hybrid, filter on metadata": lambda q: memory.search(q, user_id="ana", k=K, filter={"mood": "happy"}),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for question in asked:
            for way, search in ways.items():
                times[way] += one_by_one(search, [question])
    return [latency(f"{name}, {way}", taken[WARM_UP:]) for way, taken in times.items()]


def _users(plan: Plan) -> list[Figure]:
    """Measure one user's search in a file that many share."""
    population, random = plan.population(), Random(plan.seed)
    name = f"one of {population.users:,} users"

    def ask(user: int) -> tuple[str, str]:
        (question,) = questions(population.texts_of(user), 1, random.randrange(2**32))
        return question, user_name(user)

    drawn = random.sample(range(population.users), min(population.users, WARM_UP + plan.sizes.user_searches))
    warm_up, users = drawn[:WARM_UP], drawn[WARM_UP:]
    with population.open() as memory:

        def search(asked: tuple[str, str]) -> object:
            return memory.search(asked[0], user_id=asked[1], k=K)

        one_by_one(search, [ask(user) for user in warm_up])
        first = one_by_one(search, [ask(user) for user in users])
        again = one_by_one(search, [ask(user) for user in random.sample(users, len(users))])
        crowd = [ask(random.randrange(population.users)) for _ in range(plan.sizes.crowd_searches)]
        rate = in_tasks(lambda asked: memory.asearch(asked[0], user_id=asked[1], k=K), crowd, IN_FLIGHT)
    return [
        latency(f"{name}, never searched before", first),
        latency(f"{name}, searched before", again),
        Figure(f"{name}, asyncio, {IN_FLIGHT} in flight", rate, "searches/s"),
    ]
