"""`add_batch` of several sizes against the same items added one by one."""

from .callers import one_by_one
from .plan import Plan
from .results import Figure, in_turn, ratios, seconds, typical

GOAL = "goal 5,000 to 10,000"
GOAL_RATIO = "goal 5"


def measure(plan: Plan) -> list[Figure]:
    """Run the benchmark."""
    return [figure for size in plan.sizes.batches for figure in _size(plan, size)]


def _size(plan: Plan, size: int) -> list[Figure]:
    """Measure one size. Both sides fill a file of their own, so that neither grows faster than the other between rounds."""
    with plan.fresh_memory() as batched, plan.fresh_memory() as single:

        def batch() -> float:
            texts = plan.texts.take(size)
            return size / seconds(lambda: batched.add_batch(texts, user_id="ana"))

        def singles() -> float:
            return size / sum(one_by_one(lambda text: single.add(text, user_id="ana"), plan.texts.take(size)))

        rounds = max(plan.sizes.batch_rounds, plan.sizes.batch_items // size)
        found = in_turn({"batch": batch, "singles": singles}, rounds)
    return [
        typical(f"batch of {size:,}", found["batch"], "items/s", GOAL),
        typical(f"{size:,} single adds", found["singles"], "items/s"),
        ratios(f"batch of {size:,} / single adds", found["batch"], found["singles"], GOAL_RATIO),
    ]
