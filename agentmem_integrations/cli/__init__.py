"""The `agentmem` command: store, find, inspect and delete memories from a shell."""

from .main import main

__all__ = ["main"]
