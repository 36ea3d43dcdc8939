"""The notebooks run from top to bottom, offline, and print what they were committed with."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
GUARD = """
import sys

def _guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo") and not str(arguments[-1 if event == "socket.connect" else 0]).startswith(
        ("127.", "('127.", "::1", "('::1", "localhost", "('localhost")
    ):
        raise ConnectionRefusedError(f"notebooks have no network: {event} {arguments}")

sys.addaudithook(_guard)
"""


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """Jupyter's own files out of the home folder, and its sockets in the file system where there are such."""
    folder = tempfile.mkdtemp()  # the name of a socket may have 107 characters, which pytest's folders use up
    for name in ("RUNTIME", "CONFIG", "DATA"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", folder)
    monkeypatch.setenv("IPYTHONDIR", folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")]))))
    options = Config()
    if sys.platform != "win32":
        options.KernelManager.transport = "ipc"
        options.KernelManager.ip = str(Path(folder) / "kernel")  # else it lies in the working folder, and the kernel has another
    yield options
    shutil.rmtree(folder, ignore_errors=True)


def outputs(notebook: Any) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return each cell of code with what it gave, without the numbers of execution."""
    return [(cell.source, joined(cell.outputs)) for cell in notebook.cells if cell.cell_type == "code"]


def joined(told: list[Any]) -> list[dict[str, Any]]:
    """Join what was printed in pieces: a kernel sends what there is every now and then, however far the cell has come."""
    found: list[dict[str, Any]] = []
    for output in told:
        if found and output.output_type == "stream" and output.name == found[-1].get("name"):
            found[-1]["text"] += output.text
        else:
            found.append({key: value for key, value in output.items() if key != "execution_count"})
    return found


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)
def test_a_notebook_prints_what_it_was_committed_with(file: Path, kernel: Config, tmp_path: Path) -> None:
    committed = nbformat.read(file, as_version=4)
    run = nbformat.from_dict({**committed, "cells": [{**cell, "outputs": []} if "outputs" in cell else cell for cell in committed.cells]})
    run.cells.insert(0, nbformat.v4.new_code_cell(GUARD))
    NotebookClient(run, timeout=120, kernel_name="python3", config=kernel, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert outputs(run)[1:] == outputs(committed)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)
def test_a_notebook_shows_output_and_no_machine(file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    assert sum(bool(found) for _, found in outputs(notebook)) > 3, "execute it: jupyter execute --inplace"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert not re.search(r"/(home|Users|root|tmp)/", file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)
def test_links_of_a_notebook_lead_somewhere(file: Path) -> None:
    words = "\n".join(cell.source for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "markdown")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", words) if not re.match(r"[a-z]+:", link)]
    assert links
    for link in links:
        assert (file.parent / link.partition("#")[0]).is_file(), link  # within a notebook, every viewer makes other anchors
