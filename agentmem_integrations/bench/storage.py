"""What it costs to have: bytes in the file, time to import and to start, memory of the process."""

import json
import subprocess
import sys
from typing import Final

from .many_users import user_name
from .plan import Plan
from .results import Figure, seconds, typical

DIM: Final = 256
FRAMEWORKS: Final = ("langchain", "langchain_core", "langgraph", "llama_index", "pydantic", "openai", "fastembed", "torch")

_BARE: Final = "pass"
_ADD_ONCE: Final = """
from agentmem_integrations import AgentMemory
with AgentMemory("memory://") as memory:
    memory.add("I moved to Lisbon in May", user_id="ana")
"""

# The peak comes from VmHWM where there is one: Linux lets ru_maxrss of a child begin at the size of its parent.
_PEAK: Final = """
def peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
    except OSError:
        import resource, sys
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
"""
_IMPORT: Final = """
import json, sys, time
before = set(sys.modules)
began = time.perf_counter()
import agentmem_integrations
package = time.perf_counter() - began
light = set(sys.modules) - before
agentmem_integrations.AgentMemory
whole = time.perf_counter() - began
loaded = sorted(set(sys.modules) - before)
print(json.dumps({"package": package, "class": whole, "modules": len(light), "loaded": loaded}))
"""
_SEARCHES: Final = """
import json, sys
from agentmem_integrations import AgentMemory
with AgentMemory(sys.argv[1]) as memory:
    for user in json.loads(sys.argv[2]):
        memory.search("What did we say about the dinner?", user_id=user)
print(peak())
"""


def measure(plan: Plan) -> list[Figure]:
    """Run the benchmark."""
    return [*_file(plan), *_imports(plan), *_starts(plan), *_memory(plan)]


def _file(plan: Plan) -> list[Figure]:
    population = plan.population()
    count = len(population.texts)
    text_bytes = sum(len(text.encode()) for text in population.texts)
    needed = text_bytes + 4 * DIM * count
    name = f"{population.users:,} users x {count // population.users}"
    return [
        Figure(f"{name}: file, with its log, after close", population.file_bytes / 1e6, "MB"),
        Figure(f"{name}: per memory", population.file_bytes / count, "bytes"),
        Figure(f"{name}: text per memory", text_bytes / count, "bytes"),
        Figure(f"{name}: file / (text + 4 x {DIM} bytes of vector)", population.file_bytes / needed, "x", "at most 3"),
        Figure(f"{name}: time to make it, 1,000 adds in flight", count / population.per_second, "s"),
        Figure(f"{name}: adds per second meanwhile", population.per_second, "adds/s"),
    ]


def _imports(plan: Plan) -> list[Figure]:
    found = [json.loads(_run(_IMPORT)) for _ in range(plan.sizes.processes)]
    loaded = {module.partition(".")[0] for module in found[0]["loaded"]}
    return [
        typical("import agentmem_integrations", [1e3 * f["package"] for f in found], "ms"),
        Figure("import agentmem_integrations: modules loaded", found[0]["modules"], "modules"),
        typical("import of AgentMemory", [1e3 * f["class"] for f in found], "ms"),
        Figure("import of AgentMemory: modules loaded", len(found[0]["loaded"]), "modules"),
        Figure("import of AgentMemory: frameworks loaded", len(loaded & set(FRAMEWORKS)), "packages", "0"),
    ]


def _starts(plan: Plan) -> list[Figure]:
    """Time whole processes, in turn with one that does nothing."""
    bare, once = [], []
    for _ in range(plan.sizes.processes):
        bare.append(1e3 * seconds(lambda: _run(_BARE)))
        once.append(1e3 * seconds(lambda: _run(_ADD_ONCE)))
    return [
        typical("process that does nothing", bare, "ms"),
        typical("process that opens memory:// and adds once", once, "ms"),
    ]


def _memory(plan: Plan) -> list[Figure]:
    population = plan.population()
    asked = [user_name(user) for user in range(min(population.users, 1_000))]
    return [
        Figure("peak RSS, process that does nothing", int(_run(_PEAK + "print(peak())")) / 1e6, "MB"),
        Figure("peak RSS, process that opens memory:// and adds once", int(_run(_PEAK + _ADD_ONCE + "print(peak())")) / 1e6, "MB"),
        Figure(
            f"peak RSS, process that searches {len(asked):,} of {population.users:,} users",
            int(_run(_PEAK + _SEARCHES, str(population.path), json.dumps(asked))) / 1e6, "MB",
        ),
    ]  # fmt: skip


def _run(script: str, *arguments: str) -> str:
    """Run a script in a Python process of its own and return what it printed."""
    done = subprocess.run([sys.executable, "-c", script, *arguments], check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own scripts
    return done.stdout
