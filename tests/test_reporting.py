"""Reports never fail the work that they report, and a finished progress bar leaves nothing behind."""

import io
import ntpath
import os
import subprocess
import sys

import nbclient
import nbformat
import pytest

from nstlib.base import reporting
from nstlib.base.reporting import progress_bar, shown_path, tell

WORK = """
import sys
from reporting import progress_bar, shown_path, tell
with progress_bar(2) as bar:
    for _ in range(2):
        bar.set_postfix(loss="β 結", refresh=False)
        bar.update()
        bar.refresh()
tell("saved " + shown_path("結果.png"))
tell("an error: 結", file=sys.stderr)
print("done", file=open("done.txt", "w"))
"""


@pytest.fixture
def work(tmp_path):
    """A function that does some work in a process of its own and reports it, begun by a line of shell."""

    def run(line, **environment):
        (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONIO", "PYTHONUTF8"))}
        alone = os.path.dirname(reporting.__file__)  # the package would import PyTorch each time
        environment = {**clean, "PYTHONPATH": alone, "PYTHON": sys.executable, **environment}
        done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert (tmp_path / "done.txt").exists(), done.stderr.decode()
        return done

    return run


class Raising(io.StringIO):
    """A stream that fails."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def test_a_message_is_a_line_on_the_standard_output(capsys):
    tell("saved 結果.png")
    tell("for people", file=sys.stderr)
    assert capsys.readouterr() == ("saved 結果.png\n", "for people\n")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "utf-8"])
def test_letters_that_the_output_lacks_become_escapes(monkeypatch, encoding):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    tell("saved 結.png \udcff")
    letter = "結" if encoding == "utf-8" else r"\u7d50"
    expected = letter.join(["saved ", r".png \udcff"])  # the last stands for a byte of a path that is no letter
    assert written.getvalue().decode(encoding).rstrip() == expected


@pytest.mark.parametrize(
    "stream",
    [
        None,
        closed(),
        object(),
        Raising(BrokenPipeError()),
        Raising(OSError(28, "No space left on device")),
        Raising(BlockingIOError()),
        Raising(ValueError("I/O operation on closed file")),
        Raising(RuntimeError("the window is gone")),
        Raising(UnicodeEncodeError("ascii", "結", 0, 1, "ordinal not in range")),
    ],
    ids=lambda stream: repr(getattr(stream, "error", type(stream)))[:30],
)
def test_no_stream_can_fail_a_report_or_a_progress_bar(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    tell("結")
    tell("結", file=sys.stderr)
    with progress_bar(3) as bar:
        bar.set_postfix(loss="結")
        bar.update(3)
        assert bar.n == (0 if bar.disable else 3)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_work_is_reported_in_every_encoding(work, encoding):
    done = work('"$PYTHON" work.py', PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert done.stdout.decode().strip() == ("saved 結果.png" if encoding == "utf-8" else r"saved \u7d50\u679c.png")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        '"$PYTHON" work.py >&- 2>&-',  # sys.stdout and sys.stderr are None
        '"$PYTHON" work.py >/dev/full 2>/dev/full',
        'set -o pipefail; "$PYTHON" work.py 2>&1 | true',
        'set -o pipefail; "$PYTHON" work.py 2>&1 | sleep 0',
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell of Unix")
def test_work_whose_report_nobody_takes_ends_well(work, line):
    done = work(f"bash -c '{line}'")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_path_is_shown_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert shown_path(tmp_path / "deep" / "a.png") == "a.png"
    assert shown_path(tmp_path / "b.png") == os.path.join(os.pardir, "b.png")
    assert shown_path("c.png") == "c.png"


def test_a_path_on_another_drive_is_shown_whole(monkeypatch):
    monkeypatch.setattr(reporting.os, "path", ntpath)
    assert shown_path(r"D:\pictures\a.png") == r"D:\pictures\a.png"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no folder that is in use")
def test_a_path_is_shown_in_a_folder_that_was_deleted(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert shown_path(tmp_path / "a.png") == str(tmp_path / "a.png")
    assert shown_path("a.png") == "a.png"


def test_a_bar_shows_how_far_the_work_is_and_is_gone_in_the_end(capsys):
    with progress_bar(3) as bar:
        bar.update(3)
        bar.refresh()
        assert "3/3" in capsys.readouterr().err
    assert capsys.readouterr().err.strip() == ""


def test_a_bar_that_is_not_shown_writes_nothing(capsys):
    with progress_bar(3, shown=False) as bar:
        bar.update(3)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_keeps_nothing_of_a_finished_bar():
    cells = [
        "from nstlib.base.reporting import progress_bar",
        "with progress_bar(3) as bar:\n    for _ in range(3):\n        bar.update()\n        bar.refresh()",
        "def steps():\n    with progress_bar(3) as bar:\n        bar.update()\n        yield",
        "for _ in steps():\n    break",
        "with progress_bar(3, shown=False) as bar:\n    bar.update()",
        "import nstlib as nst\nrun = nst.prepare('chelsea', 'coffee', size=48, backbone='mini', device='cpu')",
        "for _ in run.steps(3):\n    pass",
        "bar = progress_bar(3)\nbar.update()\nbar.refresh()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    *finished, unfinished = [cell.outputs for cell in notebook.cells]
    assert not any(output.get("data") or output.get("text") for outputs in finished for output in outputs)
    assert "1/3" in unfinished[0]["data"]["text/plain"]
    nbformat.validate(notebook)
