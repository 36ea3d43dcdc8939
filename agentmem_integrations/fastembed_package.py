"""How the package fastembed is imported: once for those who embed with it and those who rerank."""

import os
import sys
from typing import Any

from .errors import MissingExtraError


def import_fastembed() -> Any:
    """Return the fastembed package; importing it starts no telemetry.

    onnxruntime 1.29 and newer report every session to their maker, from a thread that starts when it is imported, writes a device
    id to the disk, and hangs every forked child at its end. Nothing but this variable, at that moment, prevents it.

    Raises:
        MissingExtraError: it is not installed.
    """
    variable = "ORT_DISABLE_TELEMETRY"
    before = os.environ.get(variable)
    if before is None and "onnxruntime" not in sys.modules:
        os.environ[variable] = "1"
    try:
        import fastembed
        import onnxruntime
    except ImportError as e:
        raise MissingExtraError('fastembed is not installed: pip install "agentmem-integrations[fastembed]"') from e
    finally:
        if before is None:
            os.environ.pop(variable, None)
    if before is None:
        onnxruntime.disable_telemetry_events()  # where somebody imported it before us, this is what can still be done
    return fastembed
