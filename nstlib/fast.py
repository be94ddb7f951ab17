"""Paint in one pass, from the command line: python -m nstlib.fast photo.jpg swirls -o out.png.

In Python it is the function `nstlib.fast`, whose name this file has: it is run, and never imported.
"""

import sys

if __name__ != "__main__":
    raise ImportError(
        "nstlib.fast is a function, and as a file a command: import nstlib and call "
        "nstlib.fast('photo.jpg', 'swirls'), or run python -m nstlib.fast photo.jpg swirls"
    )

from .feedforward.command import main

sys.exit(main())
