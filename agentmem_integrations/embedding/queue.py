"""One queue before a model: what many callers want at once becomes batches, spread over the model's lanes.

Self-clocking, as the commits are (docs/adr/0010-embedding-queue.md): a free lane takes whatever waits. A lone caller waits for
nobody, a crowd forms its own batches while the lanes are busy.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from time import monotonic
from typing import Final

import numpy as np

from ..errors import ClosedError, EmbeddingError
from ..models import Identity, Scope
from ..ports import Answer, Matrix, Vector, Wish
from .model import CheckedLane, Kind, Model, isolated
from .queue_backlog import Asking, Backlog, Request

log = logging.getLogger("agentmem.embedding")
WAITING: Final = 4_096  # single requests in the queue; whoever comes then waits for room


@dataclass(slots=True)
class Counts:
    """What the queue did so far.

    Attributes:
        batches: Batches that lanes were given.
        texts: Texts in them.
        joined: Requests for a text that was being embedded already: they cost nothing.
        largest: Texts in the largest batch.
    """

    batches: int = 0
    texts: int = 0
    joined: int = 0
    largest: int = 0


Recall = Callable[[Kind, str], Vector | None]
Record = Callable[[Kind, str, Vector], None]


class QueuedEmbedder:
    """A model behind a queue: an `Embedder` that any number of threads and event loops may share.

    One thread per lane, begun when there is work for it. A forked child begins with an empty queue and threads of its own.

    Args:
        model: Whose lanes. It may have a `query_batch`: questions in one call, where that is not `batch`; and be usable
            `anywhere`, from any thread, one with a running event loop too: then a lone caller embeds in his own.
        max_batch: Texts in one batch; None for what the model likes best.
        max_wait_ms: Milliseconds a batch of single requests waits to become full; 0: nobody waits for a clock.
        limit: Single requests in waiting; whoever comes then waits for room.
    """

    immediate = False

    def __init__(self, model: Model, max_batch: int | None = None, max_wait_ms: float = 0.0, limit: int = WAITING) -> None:
        self.identity: Identity = model.identity
        self._batch = max_batch or model.batch
        self._query_batch = min(self._batch, getattr(model, "query_batch", None) or self._batch)
        self._max_wait = max_wait_ms / 1e3
        self._limit = limit
        self._lanes = [CheckedLane(lane, model.identity) for lane in model.lanes]
        self._anywhere = bool(getattr(model, "anywhere", False)) and not self._max_wait
        self._recall: Recall = _nothing
        self._record: Record = _no_record
        self._start_anew()

    def remember(self, recall: Recall, record: Record) -> None:
        """Have answers recorded before their texts leave the queue, and recalled before a text enters it.

        Whoever looks for a vector before he asks the queue may have looked just before it was there, and ask when it is no longer
        on its way. Both are called with the queue held.
        """
        self._recall, self._record = recall, record

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one unit vector per text, shape (n, dim), float32.

        Raises:
            EmbeddingError: there is none for one of the texts.
            ClosedError: the queue was closed.
        """
        answers = self.embed_each(texts)
        return np.stack([_vector(answer) for answer in answers]) if answers else np.empty((0, self.identity.dim), np.float32)

    def embed_query(self, text: str, scope: Scope | None = None) -> Vector:
        """Return the unit vector of a question, shape (dim,), float32.

        Raises:
            EmbeddingError: there is none.
            ClosedError: the queue was closed.
        """
        (answer,) = self._waited([text], "query", bulk=False)
        return _vector(answer)

    def embed_each(self, texts: Sequence[str]) -> Sequence[Answer]:
        """Wait for the answers to a bulk load, in the order of its texts."""
        return self._waited(texts, "passage", bulk=True)

    def check(self) -> None:
        """Ask the model for the vector of a short text.

        Raises:
            EmbeddingError: it does not embed.
            ClosedError: the queue was closed.
        """
        (answer,) = self._waited(["a"], "passage", bulk=True, recall=False)
        _vector(answer)

    def begin(self, wishes: Sequence[Wish]) -> None:
        """Queue what several callers want to store; a wish of more than one batch is a bulk load."""
        for texts, then in wishes:
            self._begin(texts, "passage", Asking(len(texts), then), bulk=len(texts) > self._batch)

    def begin_query(self, text: str, scope: Scope | None, then: Callable[[Answer], None]) -> None:
        """Queue a question."""
        self._begin([text], "query", Asking(1, lambda answers: then(answers[0])), bulk=False)

    def usage(self) -> dict[str, int]:
        """Return counters: see `Counts`, and how many single requests are `waiting`."""
        return {f.name: getattr(self._counts, f.name) for f in fields(Counts)} | {"waiting": self._backlog.singles}

    def close(self) -> None:
        """Embed what single callers wait for, refuse the rest of bulk loads, and end the threads. The model stays open."""
        if os.getpid() != self._pid:
            self._start_anew()
        with self._lock:
            self._closing = True
            refused = self._settled([(request, _closed()) for request in self._backlog.drop_loads()])
            threads = list(self._threads)
            self._work.notify_all()
            self._room.notify_all()
        _tell(refused)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()
        with self._lock:  # a caller may be embedding in his own thread, and whoever closes the queue closes the model next
            self._room.wait_for(lambda: len(self._idle) == len(self._lanes) or threading.current_thread() in threads)

    # Callers

    def _waited(self, texts: Sequence[str], kind: Kind, *, bulk: bool, recall: bool = True) -> Sequence[Answer]:
        if self._anywhere and len(texts) == 1 and recall and (answer := self._here(texts[0], kind)) is not None:
            return [answer]
        done = threading.Lock()  # a bare lock is the cheapest thing to wait on
        done.acquire()
        found: list[Answer] = []

        def then(answers: Sequence[Answer]) -> None:
            found.extend(answers)
            done.release()

        asking = Asking(len(texts), then)
        try:
            self._begin(texts, kind, asking, bulk=bulk, recall=recall)
            done.acquire()
        except BaseException:  # KeyboardInterrupt: nobody waits for this any more
            self._forget(asking)
            raise
        return found

    def _here(self, text: str, kind: Kind) -> Answer | None:
        """Embed a text in this thread if nothing else is under way: handing it over would take a tenth of the time.

        Among others it is better queued: whoever takes a lane for one text leaves the others smaller batches.

        Returns:
            The answer; None if it must be queued.
        """
        if os.getpid() != self._pid:
            self._start_anew()
        found: list[Answer] = []
        with self._lock:
            if self._closing or self._flying or not self._idle:
                return None
            if (vector := self._recall(kind, text)) is not None:
                return vector
            lane = self._idle.pop()
            self._number += 1
            request = self._flying[kind, text] = Request(text, kind, self._number, monotonic())
            request.single = request.taken = True
            request.waiting.append((Asking(1, found.extend), 0))
            self._backlog.asked(request.arrived)
            self._count([request])
        self._embed(lane, [request], caller=True)
        return found[0]

    def _begin(self, texts: Sequence[str], kind: Kind, asking: Asking, *, bulk: bool, recall: bool = True) -> None:
        if os.getpid() != self._pid:
            self._start_anew()
        if not texts:
            asking.then([])
            return
        with self._lock:
            if not bulk:
                self._room.wait_for(lambda: self._closing or self._backlog.singles < self._limit)
            error = _closed() if self._closing else self._start_lanes()
            if error is None:
                self._queue(texts, kind, asking, bulk, recall)
            complete = error is None and not asking.left  # everything was recalled
        if error is not None:
            asking.then([error] * len(texts))
        elif complete:
            _tell([asking])

    def _queue(self, texts: Sequence[str], kind: Kind, asking: Asking, bulk: bool, recall: bool) -> None:
        load = []
        for position, text in enumerate(texts):
            request = self._flying.get((kind, text))
            if request is None and recall and (vector := self._recall(kind, text)) is not None:
                asking.answers[position] = vector
                asking.left -= 1
                continue
            if request is None:
                self._number += 1
                request = self._flying[kind, text] = Request(text, kind, self._number, monotonic())
                if bulk:
                    load.append(request)
            else:
                self._counts.joined += 1
            request.waiting.append((asking, position))
            if not bulk and not request.single and not request.taken:
                self._backlog.put(request)
        if load:
            self._backlog.put_load(load)
        self._work.notify(len(self._lanes) if bulk else 1)

    def _start_lanes(self) -> EmbeddingError | None:
        """Have a thread per lane; return why there is none at all."""
        self._threads[:] = [thread for thread in self._threads if thread.is_alive()]
        while len(self._threads) < len(self._lanes):
            # A daemon: leaving the program without close() must not hang
            thread = threading.Thread(target=self._run, name="agentmem-lane", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system gives no more threads, or the interpreter is ending
                if self._threads:
                    return None
                found = EmbeddingError(f"no thread could be started to embed with {self.identity.name}")
                found.__cause__ = error
                return found
            self._threads.append(thread)
        return None

    def _forget(self, asking: Asking) -> None:
        with self._lock:
            for key, request in list(self._flying.items()):
                request.waiting = [(other, position) for other, position in request.waiting if other is not asking]
                if not request.waiting and not request.taken:
                    self._backlog.drop(request)
                    del self._flying[key]

    # Lanes

    def _run(self) -> None:
        while taken := self._next():
            self._embed(*taken)

    def _embed(self, lane: CheckedLane, batch: list[Request], *, caller: bool = False) -> None:
        """Embed a batch, in a lane's thread or a caller's, give the lane back, and tell those who wait.

        Raises:
            BaseException: to a caller, what is no error of the model, such as `KeyboardInterrupt`; everybody was told before.
        """
        began = monotonic()
        bulk = not any(request.single for request in batch)
        kind, texts = batch[0].kind, [request.text for request in batch]
        stopped: BaseException | None = None
        try:
            answers = isolated(partial(lane.embed, kind=kind), texts)
        except BaseException as error:  # noqa: BLE001 - whoever waits for an answer would wait for ever, whatever went wrong
            answers = [EmbeddingError(f"embedding with {self.identity.name} failed: {type(error).__name__}")] * len(texts)
            stopped = None if isinstance(error, Exception) else error
        took = monotonic() - began
        with self._lock:
            self._idle.append(lane)
            self._backlog.note(batch, took, bulk=bulk)
            done = self._settled(list(zip(batch, answers, strict=True)))
            self._room.notify_all()
            if caller and (self._backlog.singles or self._backlog.loads):
                self._work.notify()  # he goes his way
        log.debug("%s embedded %d texts in %.1f ms", self.identity.name, len(texts), 1e3 * took)
        _tell(done)
        if stopped is not None and caller:
            raise stopped

    def _next(self) -> tuple[CheckedLane, list[Request]] | None:
        """Wait for a free lane and a batch; None when the queue is closed and nothing is left."""
        with self._lock:
            while True:
                now = monotonic() if not self._closing else float("inf")  # once closing, nothing is waited for
                if self._idle and (batch := self._backlog.take(now)):
                    self._count(batch)
                    if self._backlog.singles:
                        self._work.notify()  # what one lane left is for the next
                    return self._idle.pop(), batch
                if self._closing and not self._backlog.singles:
                    return None
                at = self._backlog.next_at(now) if self._idle else None  # whoever gives a lane back wakes somebody
                self._work.wait(None if at is None else max(0.0, at - now))

    def _count(self, batch: Sequence[Request]) -> None:
        self._counts.batches += 1
        self._counts.texts += len(batch)
        self._counts.largest = max(self._counts.largest, len(batch))

    def _settled(self, answered: Sequence[tuple[Request, Answer]]) -> list[Asking]:
        """Hand answers to those who wait for them, and return whose are complete."""
        done = []
        for request, answer in answered:
            if not isinstance(answer, Exception):
                self._record(request.kind, request.text, answer)
            del self._flying[request.kind, request.text]
            for asking, position in request.waiting:
                asking.answers[position] = answer
                asking.left -= 1
                if not asking.left:
                    done.append(asking)
        return done

    def _start_anew(self) -> None:
        """Begin with an empty queue and no threads; also in a forked child, which has neither its parent's callers nor threads."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._backlog = Backlog(self._batch, self._max_wait, self._query_batch, len(self._lanes))
        self._idle = list(self._lanes)
        self._flying: dict[tuple[Kind, str], Request] = {}
        self._threads: list[threading.Thread] = []
        self._counts = Counts()
        self._closing = False
        self._number = 0


def _tell(done: Sequence[Asking]) -> None:
    for asking in done:
        try:
            asking.then([answer for answer in asking.answers if answer is not None])
        except Exception as error:  # noqa: BLE001 - one caller's trouble must not cost the others theirs, nor the lane its thread
            log.error("an answer could not be delivered: %s", type(error).__name__)


def _closed() -> ClosedError:
    return ClosedError("this memory was closed before the text was embedded: open it again")


def _vector(answer: Answer) -> Vector:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _nothing(kind: Kind, text: str) -> Vector | None:
    return None


def _no_record(kind: Kind, text: str, vector: Vector) -> None:
    return
