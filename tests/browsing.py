"""What tests in a real browser share: Chromium, servers, and a look into the kernel behind a page."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import requests
from jupyter_client import BlockingKernelClient

ROOT = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENT = 180  # seconds that anything may take on a busy machine
LIGHT = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def serving(command, url, folder, environment):
    """A server until the end of the block; what it says goes to a file."""
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            end = time.monotonic() + PATIENT
            while True:
                with contextlib.suppress(requests.RequestException):
                    if requests.get(url, timeout=5).status_code < 500:
                        break
                assert server.poll() is None, (folder / "server.log").read_text()[-3000:]
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.1)
            yield url
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def write_notebook(path, sources):
    """A notebook of code cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


@contextlib.contextmanager
def jupyter_server(folder):
    """A Jupyter server of a folder, with JupyterLab and Notebook 7: its address."""
    (folder / "config" / "labconfig").mkdir(parents=True)
    (folder / "config" / "labconfig" / "page_config.json").write_text(
        '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}'
    )
    environment = LIGHT | {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
    }
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--port-retries=0"]
    command += ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={folder}"]
    with serving(command, f"http://127.0.0.1:{port}", folder, environment) as url:
        yield url


def end_kernels(url):
    """Shut down what pages have started on a server."""
    for session in requests.get(f"{url}/api/sessions", timeout=PATIENT).json():
        requests.delete(f"{url}/api/sessions/{session['id']}", timeout=PATIENT)


@contextlib.contextmanager
def chromium(playwright, *more):
    """A browser until the end of the block, with more arguments of its command line."""
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", *more]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def run_cell(page, number):
    """Shift+Enter in a cell without a number until it has run; before the page knows its kernel, it drops cells.

    A dialog in the way, such as that of a server too busy to answer in time, is agreed to, as by a reader.
    """
    prompt = page.locator(".jp-CodeCell .jp-InputPrompt").nth(number)
    dialog = page.locator(".jp-Dialog")
    page.add_locator_handler(dialog, lambda: dialog.locator("button.jp-mod-accept").first.click())
    end = time.monotonic() + PATIENT
    while not re.search(r"\d", said := prompt.inner_text()):
        assert time.monotonic() < end, f"the cell does not run: {said}"
        if "*" not in said:
            page.locator(".jp-CodeCell .cm-content").nth(number).click()
            page.keyboard.press("Shift+Enter")
            page.wait_for_timeout(1500)
        page.wait_for_timeout(500)
    page.remove_locator_handler(dialog)


class Kernel:
    """The kernel of the page, asked past the page."""

    def __init__(self, jupyter):
        url, folder = jupyter
        kernel = requests.get(f"{url}/api/kernels", timeout=PATIENT).json()[0]["id"]
        self.client = BlockingKernelClient(connection_file=str(folder / "runtime" / f"kernel-{kernel}.json"))
        self.client.load_connection_file()

    def __enter__(self):
        self.client.start_channels()
        return self

    def __exit__(self, *_):
        self.client.stop_channels()

    def asked(self, expression):
        """What an expression is there."""
        # Not wait_for_ready: it waits until nothing is published, and a live picture publishes all the time.
        answer = self.client.execute("", user_expressions={"it": expression}, reply=True, timeout=PATIENT)
        return answer["content"]["user_expressions"]["it"]["data"]["text/plain"]

    def wait(self, expression):
        """Wait until an expression is true there."""
        end = time.monotonic() + PATIENT
        while self.asked(f"bool({expression})") != "True":
            assert time.monotonic() < end, f"not so in the kernel: {expression}"
            time.sleep(0.05)
