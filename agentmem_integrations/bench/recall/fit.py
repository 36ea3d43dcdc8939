"""Fits the table of weights: a linear model, listwise, one column for each kind of memory.

The loss of a question is the cross-entropy between the softmax of its candidates' scores and its answers, each answer counting
alike (Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007). It is convex, so there is one best
table, and no seed. Each kind of memory has weights of its own which are drawn to those that all have in common, so that a
kind of which little is known goes by what holds elsewhere. Minimised by L-BFGS (Liu and Nocedal, 1989).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...pipeline.ranking.features import NAMES, OF_TEXT
from ...pipeline.ranking.weights import COLUMNS
from .evidence import FOLDS, Case, K

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

COMMON: Final = 3e-3
"""How strongly the weights that all kinds of memory have in common are drawn to 0."""

APART: Final = 2e-3
"""How strongly those of each kind are drawn to them. Both from a coarse grid; a factor of 3 changes recall by half a point."""

STEPS: Final = 80
MEMORY: Final = 10  # steps that L-BFGS remembers
ENOUGH: Final = 1e-6  # relative gain of a step below which it stops

CONVERSATIONS: Final = ("talk", "chat", "diary")
TALK_ONLY: Final = ("time",)
"""Evidence that by cross-validation helps talk and harms the rest: there a time that nobody asks for is in most turns."""

ALLOWED: Final = np.array(
    [[c == "talk" or (c in CONVERSATIONS and name not in TALK_ONLY) or name in OF_TEXT for name in NAMES] for c in COLUMNS], np.float64
)
"""Which weights there are: texts that nobody said to anybody pay nothing for the evidence of conversations."""


class _Batch:
    """All questions as one array, with the mixture of each.

    Args:
        cases: Those with no answer among their candidates teach nothing and are left out.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        cases = [case for case in cases if case.answers.any()]
        sizes = np.array([len(case.answers) for case in cases])
        sources = Counter(case.source for case in cases)
        self.spread = np.concatenate([case.evidence for case in cases]).std(axis=0).astype(np.float64) + 1e-6
        self._evidence = [(case.evidence / self.spread).astype(np.float32) for case in cases]
        self._mixtures = np.array([case.mixture for case in cases], np.float64)
        self._target = np.concatenate([case.answers / case.answers.sum() for case in cases])
        # Each source counts as much as its share of the questions, times its weight
        self._weights = np.array([case.weight for case in cases]) / sum(sources.values())
        self._starts, self._sizes = np.cumsum(sizes) - sizes, sizes

    def loss(self, table: Doubles) -> tuple[float, Doubles]:
        """Return the loss, and how it changes with each weight of the table."""
        mixed = (self._mixtures @ table).astype(np.float32)
        scores = np.concatenate([e @ w for e, w in zip(self._evidence, mixed, strict=True)]).astype(np.float64)
        highest = np.maximum.reduceat(scores, self._starts)
        powers = np.exp(scores - np.repeat(highest, self._sizes))
        totals = np.add.reduceat(powers, self._starts)
        answered = np.add.reduceat(self._target * scores, self._starts)
        loss = float((self._weights * (np.log(totals) + highest - answered)).sum())
        wrong = (powers / np.repeat(totals, self._sizes) - self._target) * np.repeat(self._weights, self._sizes)
        parts = np.split(wrong.astype(np.float32), self._starts[1:])
        slopes = np.stack([part @ e for part, e in zip(parts, self._evidence, strict=True)])
        return loss, self._mixtures.T @ slopes


def fit(cases: Sequence[Case]) -> Floats:
    """Return the table of weights that ranks these questions' answers best, shape (kinds of memory, columns of evidence)."""
    batch, shape = _Batch(cases), (1 + len(COLUMNS), len(NAMES))

    def objective(flat: Doubles) -> tuple[float, Doubles]:
        common, apart = flat.reshape(shape)[0], flat.reshape(shape)[1:]
        loss, slope = batch.loss((common + apart) * ALLOWED)
        slope = slope * ALLOWED
        loss += COMMON * float((common**2).sum()) + APART * float((apart**2).sum())
        return loss, np.concatenate([[slope.sum(axis=0) + 2 * COMMON * common], slope + 2 * APART * apart]).ravel()

    best = _lbfgs(objective, np.zeros(shape[0] * shape[1])).reshape(shape)
    table: Floats = ((best[0] + best[1:]) * ALLOWED / batch.spread).astype(np.float32)
    return table


def _lbfgs(objective: Callable[[Doubles], tuple[float, Doubles]], start: Doubles) -> Doubles:
    at, (value, slope) = start, objective(start)
    moves: list[Doubles] = []
    turns: list[Doubles] = []
    for _ in range(STEPS):
        direction = _direction(slope, moves, turns)
        length = 1.0
        while True:
            there = at - length * direction
            new_value, new_slope = objective(there)
            if new_value <= value - 1e-4 * length * float(slope @ direction) or length < 1e-6:
                break
            length /= 2
        move, turn = there - at, new_slope - slope
        if float(move @ turn) > 0:
            moves, turns = [*moves, move][-MEMORY:], [*turns, turn][-MEMORY:]
        gain = value - new_value
        at, value, slope = there, new_value, new_slope
        if gain < ENOUGH * max(1.0, abs(value)):
            break
    return at


def _direction(slope: Doubles, moves: Sequence[Doubles], turns: Sequence[Doubles]) -> Doubles:
    """Return the slope as the last steps' curvature bends it."""
    direction = slope.copy()
    shares = []
    for move, turn in zip(moves[::-1], turns[::-1], strict=True):
        share = float(move @ direction) / float(turn @ move)
        shares.append(share)
        direction -= share * turn
    direction *= float(moves[-1] @ turns[-1]) / float(turns[-1] @ turns[-1]) if moves else 1 / (float(np.linalg.norm(slope)) + 1e-9)
    for move, turn, share in zip(moves, turns, shares[::-1], strict=True):
        direction += move * (share - float(turn @ direction) / float(turn @ move))
    return direction


def report_fit(gathered: Sequence[Case], *, cross_validate: bool) -> None:
    """Print the table that fits best as a file for `ranker=`, and how good it is, if asked by cross-validation."""
    table = np.round(fit(gathered), 2)
    print(written(table))
    told: dict[str, Callable[[Case], Floats]] = {"fitted on all of it": lambda case: table}
    if cross_validate:
        folds = [fit([case for case in gathered if case.fold != fold]) for fold in range(FOLDS)]
        told["fitted without it"] = lambda case: folds[case.fold]
    print(f"# recall@{K:<38} {'   '.join(told)}")
    for source in dict.fromkeys(case.source for case in gathered):
        mine = [case for case in gathered if case.source == source]
        means = [100 * float(np.mean([case.recall(of(case), K) for case in mine])) for of in told.values()]
        print(f"# {source:<46} " + "   ".join(f"{mean:>{len(name)}.1f}" for name, mean in zip(told, means, strict=True)))


def written(table: Floats) -> str:
    """Return the section of evidence of a file for `ranker=`."""
    lines = [f"{chr(34) + name + chr(34):<32} = [{', '.join(f'{w + 0.0:6.2f}' for w in table[:, n])}]" for n, name in enumerate(NAMES)]
    return "\n".join(["[evidence]", f"# {'':<32} {', '.join(COLUMNS)}", *lines, ""])
