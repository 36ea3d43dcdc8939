"""What one run of the benchmarks works with: sizes, texts, folders, and the large file that two benchmarks share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .. import AgentMemory
from ..config import Durability
from .many_users import Population, populate
from .texts import Texts


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. The defaults are a full run.

    Attributes:
        adds: Adds in one round of a fast variant.
        slow_adds: Adds in one round of a variant with one commit each.
        add_users: Owners the adds are spread over.
        add_rounds: Rounds of all fast variants.
        batches: Items per `add_batch`.
        batch_items: A small batch is repeated until about so many items are stored.
        batch_rounds: Rounds of the largest batch.
        scopes: Memories of the one user who is searched.
        searches: Questions to each of them.
        users: Users in the shared file.
        each: Memories of each of them.
        user_searches: Users who are asked one by one.
        crowd_searches: Searches with many in flight.
        processes: Starts of a process.
        soak_minutes: How long the soak goes on.
        embed_texts: Texts in one round of an embedding variant.
        embed_rounds: Rounds of all of them.
        embed_load: Texts of the bulk load beside which others search.
        embed_searches: Searches while nothing else happens.
        thoughts: Adds that draw facts, in the largest crowd.
        items: Items in LangGraph's store.
        nodes: Nodes in a vector store.
        questions: Questions to it.
    """

    adds: int = 10_000
    slow_adds: int = 4_000
    add_users: int = 100
    add_rounds: int = 5
    batches: tuple[int, ...] = (10, 50, 100, 500, 1_000, 10_000)
    batch_items: int = 1_500
    batch_rounds: int = 5
    scopes: tuple[int, ...] = (100, 10_000, 100_000)
    searches: int = 300
    users: int = 10_000
    each: int = 20
    user_searches: int = 2_000
    crowd_searches: int = 5_000
    processes: int = 5
    soak_minutes: float = 5
    embed_texts: int = 1_000
    embed_rounds: int = 3
    embed_load: int = 10_000
    embed_searches: int = 500
    thoughts: int = 2_000
    items: int = 20_000
    nodes: int = 20_000
    questions: int = 15


QUICK = Sizes(400, 100, 10, 1, (10, 100), 100, 1, (100, 1_000), 20, 100, 20, 50, 200, 1, 0.05, 200, 1, 1_000, 50, 100, 1_000, 300, 3)


@dataclass(slots=True)
class Plan:
    """One run.

    Attributes:
        sizes: How much.
        seed: Of every random choice.
        durability: Of every file.
        folder: Of everything that is written.
        texts: What is stored.
        embedders: What `embed` measures.
        tune: Whether it tries other layouts.
        base_url: The endpoint of a language model; None for a stub.
        model: Which model is asked there.
    """

    sizes: Sizes
    seed: int
    durability: Durability
    folder: Path
    texts: Texts
    embedders: tuple[str, ...] = ("static",)
    tune: bool = False
    base_url: str | None = None
    model: str = "stub"
    _population: Population | None = None

    @contextmanager
    def fresh_folder(self) -> Iterator[Path]:
        """Give an empty folder that is gone afterwards."""
        with TemporaryDirectory(dir=self.folder) as name:
            yield Path(name)

    @contextmanager
    def fresh_memory(self) -> Iterator[AgentMemory]:
        """Give a new file that is gone afterwards, with the embedder loaded and the first statements prepared."""
        with self.fresh_folder() as folder, AgentMemory(folder / "memory.db", durability=self.durability) as memory:
            memory.add_batch(self.texts.take(50), user_id="warm-up")
            for text in self.texts.take(50):
                memory.add(text, user_id="warm-up")
            memory.search("warm up", user_id="warm-up")
            yield memory

    def population(self) -> Population:
        """Return the file of many users, made when first asked for."""
        if self._population is None:
            path = self.folder / "population.db"
            self._population = populate(path, self.sizes.users, self.sizes.each, self.texts, self.durability)
        return self._population
