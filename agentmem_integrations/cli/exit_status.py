"""Exit statuses of the command."""

from typing import Final

OK: Final = 0
DECLINED: Final = 1  # the user was asked, and said no
DIFFERS: Final = 1  # verify found differences, or repair left some
ERROR: Final = 2  # as argparse has it
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it
