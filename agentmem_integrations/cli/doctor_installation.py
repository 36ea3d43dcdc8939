"""What `agentmem doctor` says of Python, SQLite, the packages and the bundled table."""

import os
import platform
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from ..embedding.table_checksum import damaged_files
from ..errors import AgentMemError
from .doctor_check import Check, Level

OLDEST_PYTHON: Final = (3, 11)


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is used, and the versions that are supported. The same ranges stand in pyproject.toml.

    Attributes:
        name: As on the package index.
        least: The oldest supported version.
        below: The first that is not supported any more; None for any newer one.
        extra: The extra that installs it; None if it is always needed.
        without: What does not work without it.
    """

    name: str
    least: str
    below: str | None = None
    extra: str | None = None
    without: str = ""


PACKAGES: Final = (
    Package("apsw", "3.48"),
    Package("sqlite-vec", "0.1.9", "0.2"),
    Package("numpy", "1.26"),
    Package("tokenizers", "0.20"),
    Package("tqdm", "4.60"),
    Package("cachetools", "5.3"),
    Package("fastembed", "0.9", None, "fastembed", "no fastembed:<model>"),
    Package("model2vec", "0.10", None, "model2vec", "no model2vec:<folder or id>"),
    Package("openai", "1.99", None, "openai", "no openai:<model>"),
    Package("aiohttp", "3.10", None, "openai", "chat calls take eight times the processor time"),
    Package("langchain", "1.2.11", "2", "langchain", "no adapters for LangChain"),
    Package("langchain-core", "1.2.10", "2", "langchain", "no adapters for LangChain"),
    Package("langgraph", "1.1.5", "2", "langchain", "no adapters for LangGraph"),
    Package("langgraph-checkpoint", "4.3.1", "5", "langchain", "no adapters for LangGraph"),
    Package("llama-index-core", "0.14.24", "0.15", "llamaindex", "no adapters for LlamaIndex"),
    Package("opentelemetry-api", "1.25", None, "otel", "no tracer=True"),
)

TRAPS: Final = (
    # Two packages that do not go together: name and version prefix of each, what happens, what to do
    (
        ("pydantic", "2.14.3"),
        ("llama-index-core", "0.14.25"),
        "LlamaIndex cannot save its SimpleChatStore and ChatMemoryBuffer with this pydantic",
        'pip install "pydantic<2.14", or do without those two classes, as the adapters here do',
    ),
)


def check_installation(embedder: str | None) -> Iterator[Check]:
    """Look at what is installed; `embedder` is the chosen spec."""
    yield _python()
    yield from _database()
    for package in PACKAGES:
        yield _package(package)
    yield from _traps()
    yield _table()
    yield _key(embedder)


def _python() -> Check:
    said = f"{platform.python_implementation()} {platform.python_version()} on {sysconfig.get_platform()}"
    if sys.version_info < OLDEST_PYTHON:
        return Check("problem", "Python", said, f"{'.'.join(map(str, OLDEST_PYTHON))} or newer is needed")
    return Check("ok", "Python", said)


def _database() -> Iterator[Check]:
    try:
        from ..build import database_versions  # here, where what is not installed is told

        versions = database_versions()
    except ImportError as error:
        module = (error.name or "apsw").partition(".")[0]
        name = next((package.name for package in PACKAGES if package.name.replace("-", "_") == module), module)
        said = f"cannot be looked at while {module} cannot be imported"
        yield Check("problem", "SQLite", said, f"pip install --force-reinstall {name}")
    except AgentMemError as error:  # it says the way out, which depends on the platform
        yield Check("problem", "SQLite", str(error))
    else:
        yield Check("ok", "SQLite", f"{versions['sqlite']} with FTS5, sqlite-vec {versions['sqlite_vec']} loads")


def _package(package: Package) -> Check:
    wanted = f">={package.least}" + (f",<{package.below}" if package.below else "")
    install = f'pip install "agentmem-integrations[{package.extra}]"' if package.extra else f'pip install "{package.name}{wanted}"'
    found = _version(package.name)
    if found is None and package.extra is None:
        return Check("problem", package.name, "is not installed", install)
    if found is None:
        return Check("ok", package.name, f"is not installed ({package.without})", f"if you want it, {install}")
    if not _numbers(package.least) <= _numbers(found) or (package.below and _numbers(found) >= _numbers(package.below)):
        level: Level = "problem" if package.extra is None else "warning"
        return Check(level, package.name, f"{found} is not supported ({wanted} is)", f'pip install "{package.name}{wanted}"')
    return Check("ok", package.name, found)


def _traps() -> Iterator[Check]:
    for (one, its), (other, others), said, mend in TRAPS:
        if _version(one) == its and _version(other) == others:
            yield Check("warning", f"{one} {its} with {other} {others}", said, mend)


def _table() -> Check:
    damaged = damaged_files()
    if damaged:
        said = f"{', '.join(damaged)} of the default embedder are not as they were shipped"
        return Check("problem", "bundled table", said, "pip install --force-reinstall agentmem-integrations")
    return Check("ok", "bundled table", "intact")


def _key(embedder: str | None) -> Check:
    if os.environ.get("OPENAI_API_KEY"):
        return Check("ok", "OPENAI_API_KEY", "is set")
    if embedder is not None and embedder.startswith("openai:") and not os.environ.get("OPENAI_BASE_URL"):
        return Check(
            "problem", "OPENAI_API_KEY", f"is not set, and {embedder} needs it", "set it, or OPENAI_BASE_URL for a server without keys"
        )
    return Check("ok", "OPENAI_API_KEY", "is not set (only openai:<model> needs it)")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers a version begins with: enough to compare it with ranges of plain numbers, as those above are."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()  # 1.0 is 1
    return tuple(numbers)
