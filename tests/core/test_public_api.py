"""What can be imported, what it costs, and that the two faces agree."""

import ast
import importlib
import inspect
import json
from collections.abc import Callable

import pytest

import agentmem_integrations
from agentmem_integrations import AgentMemory, UserMemory

Run = Callable[..., str]

WITHOUT_TWIN = {"for_user", "collection", "items", "add_for_user", "add_batch_optimized"}  # views, and aliases


def test_importing_brings_in_no_framework_and_nothing_heavy(run_python: Run) -> None:
    program = "import sys, json, agentmem_integrations; print(json.dumps(sorted(sys.modules)))"
    loaded = {name.partition(".")[0] for name in json.loads(run_python(program))}
    heavy = {
        "langchain", "langchain_core", "langgraph", "llama_index", "openai", "fastembed", "onnxruntime", "torch", "psycopg", "redis",
        "numpy", "apsw", "sqlite_vec", "tokenizers", "tqdm", "pytest", "hypothesis", "asyncio",
    }  # fmt: skip
    assert loaded & heavy == set()


def test_using_a_memory_brings_in_no_framework(run_python: Run) -> None:
    program = """
import sys, json
from agentmem_integrations import AgentMemory
mem = AgentMemory("memory://")
mem.add("tea", user_id="ana"); mem.search("tea", user_id="ana")
print(json.dumps(sorted(sys.modules)))
"""
    loaded = {name.partition(".")[0] for name in json.loads(run_python(program))}
    assert loaded & {"langchain", "langchain_core", "langgraph", "llama_index", "openai", "fastembed", "torch", "pytest", "tqdm"} == set()


def test_every_public_name_can_be_imported_and_is_documented() -> None:
    assert set(agentmem_integrations.__all__) <= set(dir(agentmem_integrations))
    for name in agentmem_integrations.__all__:
        value = getattr(agentmem_integrations, name)
        if inspect.isclass(value):
            assert value.__doc__
    with pytest.raises(AttributeError, match="nonsense"):
        agentmem_integrations.nonsense  # noqa: B018


def test_names_and_homes_agree() -> None:
    homes = agentmem_integrations._HOMES
    assert sorted(name for names in homes.values() for name in names) == sorted(agentmem_integrations.__all__)
    for home, names in homes.items():
        module = importlib.import_module(f"agentmem_integrations.{home}")
        assert all(hasattr(module, name) for name in names)


def test_type_checkers_know_every_public_name() -> None:
    tree = ast.parse(inspect.getsource(agentmem_integrations))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    known = {alias.name for line in block.body if isinstance(line, ast.ImportFrom) for alias in line.names}
    assert known == set(agentmem_integrations.__all__)


@pytest.mark.parametrize("face", [AgentMemory, UserMemory])
def test_every_verb_has_an_async_twin_with_the_same_signature(face: type) -> None:
    public = {n: m for n, m in inspect.getmembers(face, inspect.isfunction) if not n.startswith("_")}
    twins = {n: m for n, m in public.items() if n[0] == "a" and n[1:] in public}
    assert {n for n in public if n not in twins and f"a{n}" not in twins} == (WITHOUT_TWIN if face is AgentMemory else set())
    for name, twin in twins.items():
        verb = public[name[1:]]
        assert inspect.iscoroutinefunction(twin), name
        assert not inspect.iscoroutinefunction(verb), name[1:]
        assert inspect.signature(twin).parameters == inspect.signature(verb).parameters, name
        assert twin.__name__ == name
        assert (twin.__doc__ or "").startswith(f"Async twin of `{name[1:]}`.")
    assert len(twins) >= 10


def test_every_public_method_says_what_it_does() -> None:
    for name, method in inspect.getmembers(AgentMemory, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.getdoc(method), name


def test_what_is_optional_must_be_named() -> None:
    allowed = dict.fromkeys("add add_batch search get history update delete purge export import_ backup reembed".split(), 1)
    for name in (*allowed, "list", "stats", "flush"):
        parameters = list(inspect.signature(getattr(AgentMemory, name)).parameters.values())[1:]
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert len(positional) == allowed.get(name, 0), name


def test_the_version_is_a_version() -> None:
    assert agentmem_integrations.__version__.split(".")[0].isdigit()
