"""Whose memory a run is about: read from what the application configured, never from what a model says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInputError, ScopeError, shown
from ..models import SHARED, UserId
from ..pipeline.arguments import read_name

USER_KEY = "user_id"
SESSION_KEY = "thread_id"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose memory, and which conversation.

    Attributes:
        user_id: The owner.
        session_id: The thread; None for a run without one.
    """

    user_id: UserId
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Whose:
    """Where a run says whose memory it is about.

    Attributes:
        user_id: The owner of every run; None if each run names one.
        key: What the owner is called in a run's context and in `configurable`.

    Raises:
        InvalidInputError: a name that cannot be one.
    """

    user_id: UserId | None = None
    key: str = USER_KEY

    def __post_init__(self) -> None:
        if self.user_id is not None:
            _name(self.user_id, "user_id")
        read_name(self.key, "user_key")

    def owner(self, config: Mapping[str, Any] | None, context: Any) -> Owner:
        """Return the owner of a run.

        Args:
            config: The run's config.
            context: The run's context: an object or a mapping; None for none.

        Raises:
            ScopeError: nobody is named, or two different people are.
            InvalidInputError: the name cannot be one.
        """
        configurable = (config or {}).get("configurable") or {}
        session = configurable.get(SESSION_KEY)
        given = [self.user_id, _of(context, self.key), configurable.get(self.key)]
        named = [_name(name, self.key) for name in given if name is not None]
        if not named:
            raise ScopeError(
                f"whose memory? The run names no {self.key}: pass config={{'configurable': {{'{self.key}': ...}}}} or "
                f"context={{'{self.key}': ...}}, or bind the adapter to one user with user_id=..."
            )
        if any(name != named[0] for name in named):
            raise ScopeError(f"the run names two owners, {shown(named[0])} and {shown(next(n for n in named if n != named[0]))}: name one")
        return Owner(named[0], None if session is None else read_name(str(session), SESSION_KEY))


def read_owners(given: Sequence[UserId], what: str) -> tuple[UserId, ...]:
    """Return owners as they were passed, in a list.

    Args:
        given: What the caller passed.
        what: The argument's name.

    Raises:
        InvalidInputError: no list of names, or a name that cannot be one.
    """
    if not isinstance(given, list | tuple):
        raise InvalidInputError(f"{what}={shown(given)}: pass a list of owners, such as ['team-1', SHARED]")
    return tuple(_name(owner, what) for owner in given)


def _name(given: Any, key: str) -> UserId:
    return given if given is SHARED else str(read_name(given, key))


def _of(context: Any, key: str) -> Any:
    return context.get(key) if isinstance(context, Mapping) else getattr(context, key, None)
