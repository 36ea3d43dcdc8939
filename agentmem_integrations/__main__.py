"""`python -m agentmem_integrations`: the `agentmem` command."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
