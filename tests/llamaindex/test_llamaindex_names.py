"""What the package has, and what importing it costs."""

import importlib
import inspect
import json
from collections.abc import Callable

import pytest

import agentmem_integrations.llamaindex as package

Run = Callable[..., str]


def test_importing_the_package_brings_in_no_framework(run_python: Run) -> None:
    program = "import sys, json, agentmem_integrations.llamaindex; print(json.dumps(sorted(sys.modules)))"
    assert "llama_index" not in {name.partition(".")[0] for name in json.loads(run_python(program))}


def test_every_name_has_a_home_and_documentation() -> None:
    assert sorted(name for names in package._HOMES.values() for name in names) == sorted(package.__all__)
    assert set(package.__all__) <= set(dir(package))
    for home, names in package._HOMES.items():
        module = importlib.import_module(f"agentmem_integrations.llamaindex.{home}")
        for name in names:
            assert getattr(package, name) is getattr(module, name)
            assert inspect.getdoc(getattr(module, name))
    with pytest.raises(AttributeError, match="nonsense"):
        package.nonsense  # noqa: B018


@pytest.mark.parametrize("name", package.__all__)
def test_without_the_framework_the_extra_is_named(run_python: Run, name: str) -> None:
    program = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "llama_index":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
import agentmem_integrations.llamaindex as package
from agentmem_integrations import MissingExtraError
try:
    getattr(package, sys.argv[1])
except MissingExtraError as error:
    print(error)
"""
    assert 'pip install "agentmem-integrations[llamaindex]"' in run_python(program, name)


@pytest.mark.parametrize("name", [n for n in package.__all__ if n.startswith("AgentMem")])
def test_every_public_method_says_what_it_does(name: str) -> None:
    ours = getattr(package, name)
    for method, member in vars(ours).items():
        if not method.startswith("_") and (callable(member) or isinstance(member, property | classmethod)):
            assert inspect.getdoc(getattr(ours, method)), method
