"""An embedder by itself and behind its queue: batches, crowds, and searches beside a bulk load."""

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from threading import Lock, Thread
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from .. import AgentMemory
from ..embedding.any_object import ObjectModel
from ..embedding.bundled import BundledEmbedder
from ..embedding.model import Model
from ..embedding.queue import QueuedEmbedder
from ..model_specs import open_model
from ..testing.embedders import SleepingModel
from .callers import in_threads, one_by_one
from .plan import Plan
from .results import Figure, in_turn, latency, ratios, seconds, typical
from .texts import questions

NAIVE: Final = 100  # texts in a batch that knows nothing of the model
CROWDS: Final = (1, 20, 100)
STORED: Final = 200  # memories of the user who searches
WARM_UP: Final = 20
GOAL: Final = "below 3"


@runtime_checkable
class Arrangeable(Model, Protocol):
    """A model that can be run in several layouts."""

    def arranged(self, sessions: int, threads: int) -> Model:
        """Return the same model with so many lanes, each of so many threads."""


def measure(plan: Plan) -> list[Figure]:
    """Run the benchmark."""
    figures = [figure for spec in plan.embedders for figure in _embedder(plan, spec)]
    gpus = _gpus()
    return [*figures, Figure("CUDA", gpus, "providers", "" if gpus else "untested: no GPU here")]


def _embedder(plan: Plan, spec: str) -> list[Figure]:
    model = _model(spec)
    try:
        figures = [*_lanes(plan, spec, model), *_beside_a_load(plan, spec, model)]
        if plan.tune and isinstance(model, Arrangeable):
            figures += _tuned(plan, spec, model)
    finally:
        model.close()
    return figures


def _model(spec: str) -> Model:
    """Return the model of a spec; the bundled table is one here as well, to show what a queue would do to it."""
    if spec == "static":
        return ObjectModel(BundledEmbedder())
    name, _, lanes = spec.partition(":")
    if name == "sleeping":
        return SleepingModel(int(lanes or 1))
    return open_model(spec)


# One by one, in batches, by a crowd


def _lanes(plan: Plan, spec: str, model: Model) -> list[Figure]:
    runner = _Runner(plan, model)
    variants: dict[str, Callable[[], float]] = {
        "one by one": lambda: runner.batches(1, ordered=False),
        f"batches of {NAIVE}": lambda: runner.batches(NAIVE, ordered=False),
        f"sorted batches of {model.batch}": lambda: runner.batches(model.batch, ordered=True),
        "one load through the queue": runner.load,
    }
    for callers in CROWDS:
        variants[f"{callers} callers, queue"] = lambda callers=callers: runner.queued(callers)  # type: ignore[misc]
        variants[f"{callers} callers, no queue"] = lambda callers=callers: runner.unqueued(callers)  # type: ignore[misc]
    runner.batches(1, ordered=False)  # loads it
    found = in_turn(variants, plan.sizes.embed_rounds)
    return [
        *(typical(f"{spec}: {name}", rates, "texts/s") for name, rates in found.items()),
        *(
            ratios(
                f"{spec}: {callers} callers, queue / no queue", found[f"{callers} callers, queue"], found[f"{callers} callers, no queue"]
            )
            for callers in CROWDS
        ),
    ]


class _Runner:
    """The variants; each embeds texts of its own and returns texts per second."""

    def __init__(self, plan: Plan, model: Model) -> None:
        self._plan = plan
        self._model = model
        self._size = plan.sizes.embed_texts

    def batches(self, size: int, *, ordered: bool) -> float:
        """One caller, one lane."""
        texts = self._texts()
        if ordered:
            texts.sort(key=len)
        lane = self._model.lanes[0]
        return len(texts) / seconds(lambda: [lane.embed(texts[at : at + size], "passage") for at in range(0, len(texts), size)])

    def load(self) -> float:
        """One caller with all texts, all lanes."""
        texts, queue = self._texts(), QueuedEmbedder(self._model)
        try:
            return len(texts) / seconds(lambda: queue.embed_documents(texts))
        finally:
            queue.close()

    def queued(self, callers: int) -> float:
        """Each caller asks for one text at a time."""
        queue = QueuedEmbedder(self._model)
        try:
            return in_threads(queue.embed_query, self._texts(), callers)
        finally:
            queue.close()

    def unqueued(self, callers: int) -> float:
        """The same callers, who take the lanes in turn."""
        ways = [(lane, Lock()) for lane in self._model.lanes]
        turns = count()

        def embed(text: str) -> None:
            lane, alone = ways[next(turns) % len(ways)]
            with alone:
                lane.embed([text], "query")

        return in_threads(embed, self._texts(), callers)

    def _texts(self) -> list[str]:
        return self._plan.texts.take(self._size)


# Searches beside a bulk load


def _beside_a_load(plan: Plan, spec: str, model: Model) -> list[Figure]:
    """Search in the memory of one user, alone and while another's texts are loaded; no question comes twice."""
    embedder: Any = spec if spec == "static" else model
    stored, size = plan.texts.take(STORED), plan.sizes.embed_load
    asked = iter(questions(stored, 100_000, plan.seed))
    with plan.fresh_folder() as folder, AgentMemory(folder / "memory.db", embedder=embedder, durability=plan.durability) as memory:
        memory.add_batch(stored, user_id="ana")

        def search(number: int) -> None:
            memory.search(f"{next(asked)} {number}", user_id="ana")

        one_by_one(search, range(WARM_UP))
        idle = one_by_one(search, range(plan.sizes.embed_searches))
        alone = size / seconds(lambda: memory.add_batch(plan.texts.take(size), user_id="load"))
        texts, took = plan.texts.take(size), []
        load = Thread(target=lambda: took.append(seconds(lambda: memory.add_batch(texts, user_id="more"))))
        load.start()
        busy = _while_alive(load, search)
    name = f"{spec}: search"
    return [
        latency(f"{name}, idle", idle),
        latency(f"{name}, beside a load", busy),
        Figure(f"{name}, beside a load / idle, p95", _p95(busy) / _p95(idle), "x", GOAL, len(busy)),
        Figure(f"{spec}: load of {size:,}, alone", alone, "texts/s"),
        Figure(f"{spec}: load of {size:,}, beside searches", size / took[0], "texts/s"),
    ]


def _while_alive(load: Thread, search: Callable[[int], None]) -> Sequence[float]:
    times: list[float] = []
    while load.is_alive() or not times:
        times += one_by_one(search, [1_000_000 + len(times)])
    load.join()
    return times


def _p95(times: Sequence[float]) -> float:
    return float(np.percentile(np.asarray(times), 95))


# Layouts


def _tuned(plan: Plan, spec: str, model: Arrangeable) -> list[Figure]:
    """Try sessions x threads that fill the machine or a part of it; the best is the one that loads fastest."""
    cpus = os.cpu_count() or 1
    layouts = [(sessions, threads) for sessions in _powers(cpus) for threads in _powers(cpus) if sessions * threads <= cpus]
    models = {f"{sessions} x {threads}": model.arranged(sessions, threads) for sessions, threads in layouts}
    try:
        runners = {name: _Runner(plan, arranged) for name, arranged in models.items()}
        for runner in runners.values():
            runner.batches(1, ordered=False)
        found = in_turn({name: runner.load for name, runner in runners.items()}, plan.sizes.embed_rounds)
    finally:
        for arranged in models.values():
            arranged.close()
    figures = {name: typical(f"{spec}: {name} (sessions x threads)", rates, "texts/s") for name, rates in found.items()}
    best = max(figures, key=lambda name: figures[name].value)
    return [*figures.values(), Figure(f"{spec}: best layout", figures[best].value, "texts/s", f"{best} (sessions x threads)")]


def _powers(most: int) -> list[int]:
    return [2**n for n in range(most.bit_length())]


def _gpus() -> int:
    """Return whether onnxruntime could use CUDA, as a number; 0 also where it is not installed."""
    if find_spec("onnxruntime") is None:
        return 0
    return int("CUDAExecutionProvider" in import_module("onnxruntime").get_available_providers())
