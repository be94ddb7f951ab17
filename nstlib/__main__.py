"""The command line: python -m nstlib CONTENT STYLE -o OUT."""

import sys
from collections.abc import Sequence

from .base.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status, see `nstlib.cli.main`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if list(arguments) == ["--version"]:  # before torch is read, which takes seconds
            from .base.reporting import tell

            tell(f"nstlib {__version__}")
            return 0
        from .cli import main
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        return _not_installed(error)
    return main(arguments)


def _not_installed(error: ModuleNotFoundError) -> int:
    """Another Python than the one that has what nstlib needs."""
    said = f"nstlib: {sys.executable} has no {error.name}; activate the environment that nstlib was installed into"
    print(f"{said} (after make: source .venv/bin/activate), or: pip install -e .", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
