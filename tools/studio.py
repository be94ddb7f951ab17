"""Serve the live studio of notebook 06 as a page without code, by Voila, for oneself or for a class.

python tools/studio.py                              for yourself, on this machine
python tools/studio.py --students 12 --ip 0.0.0.0   for a class on one GPU, over a network that you trust

Every visitor gets a kernel, and a studio, of their own. With --students each may take an equal share of the GPU's
memory, and the studios compute by turns; one that is paused, or that nobody watches, takes no turn. A kernel ends when
its page is closed. There is no password: whoever reaches the page can use it.
"""

import argparse
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_markdown_cell
from traitlets.config import Config

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "06_live_studio.ipynb"
TITLE = """# Live studio

Press **Start**, then move the sliders: the next step follows. Arrow keys move a slider that has the focus."""
UPLOAD_LIMIT = 100 * 2**20  # bytes of one message, in which an uploaded picture comes; 10 MB is tornado's own limit
USABLE = 0.9  # of the GPU's memory; the rest is for what each process needs beside its tensors


def only_the_studio(request: Any, notebook: NotebookNode, cwd: str) -> NotebookNode:
    """The cells that the page needs: those with the tag "page", under a title of their own."""
    cells = [cell for cell in notebook.cells if "page" in cell.metadata.get("tags", [])]
    page = from_dict({**notebook, "cells": [new_markdown_cell(TITLE), *cells]})
    return page


def environment(students: int, folder: Path) -> dict[str, str]:
    """What the kernels need to know: of the server, and of a class that shares the machine."""
    server = {"NST_UPLOAD_LIMIT": str(UPLOAD_LIMIT)}
    if students < 2:
        return server
    return {**server, "NST_LIVE_LOCK": str(folder / "turns"), "NST_LIVE_MEMORY": f"{USABLE / students:.3f}"}


def own_address() -> str:
    """This machine's address in the net that it is in, or its name where it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: the system only says by which of its addresses it would
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


def welcome(ip: str, port: int) -> str:
    """What to type into a browser, on this machine and on others."""
    if ip != "0.0.0.0":
        return f"The studio is at http://{ip}:{port}"
    return f"The studio is at http://{own_address()}:{port} for the class, at http://127.0.0.1:{port} on this machine"


def is_taken(ip: str, port: int) -> bool:
    """Whether somebody answers there already: Voila would serve at another port, and nobody would find it."""
    try:
        socket.create_connection(("127.0.0.1" if ip == "0.0.0.0" else ip, port), timeout=2).close()
    except OSError:
        return False
    return True


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=1, help="how many share the GPU (%(default)s)")
    parser.add_argument("--ip", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8866, help="(%(default)s)")
    parser.add_argument("--open", action="store_true", help="open a browser")
    chosen = parser.parse_args()
    if not 1 <= chosen.students <= 100:
        parser.error(f"--students is {chosen.students}; give a number from 1 to 100")
    if is_taken(chosen.ip, chosen.port):
        parser.error(f"port {chosen.port} is taken, maybe by another studio; stop that one, or give another --port")
    try:
        from voila.app import Voila
    except ImportError:
        parser.error('Voila is missing; install it with: pip install "nstlib[lab]"')
    config = Config()
    config.VoilaConfiguration.prelaunch_hook = only_the_studio
    config.VoilaConfiguration.strip_sources = True
    config.Voila.tornado_settings = {"websocket_max_message_size": UPLOAD_LIMIT}
    with tempfile.TemporaryDirectory(prefix="nstlib_studio_") as folder:
        os.environ.update(environment(chosen.students, Path(folder)))
        print(welcome(chosen.ip, chosen.port), file=sys.stderr)
        arguments = [str(NOTEBOOK), f"--Voila.ip={chosen.ip}", f"--port={chosen.port}"]
        Voila.launch_instance([*arguments, *([] if chosen.open else ["--no-browser"])], config=config)


if __name__ == "__main__":
    main()
