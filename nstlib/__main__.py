"""The command line: python -m nstlib CONTENT STYLE -o OUT."""

import sys
from collections.abc import Sequence

from .base.reporting import tell
from .base.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status, see `nstlib.cli.main`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments) == ["--version"]:  # before torch is read, which takes seconds
        tell(f"nstlib {__version__}")
        return 0
    try:
        from .cli import main
    except KeyboardInterrupt:
        return 130
    return main(arguments)


if __name__ == "__main__":
    sys.exit(main())
