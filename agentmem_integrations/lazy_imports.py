"""Names of a package that are imported when first used (PEP 562), so that importing the package costs next to nothing."""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazily(
    package: str, homes: Mapping[str, Sequence[str]], *, extra: str = "", needs: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package.

    Args:
        package: Its `__name__`.
        homes: By module of the package, the names that are found there.
        extra: What installs the frameworks that those modules import.
        needs: Top-level names of these frameworks: where one is missing, the error names the extra.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f".{home_of[name]}", package), name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] not in needs:
                raise
            from .errors import MissingExtraError

            raise MissingExtraError(f'{error.name} is not installed: pip install "agentmem-integrations[{extra}]"') from error

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return get, names
