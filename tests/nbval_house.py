"""A plugin for pytest that fits nbval to this house.

What a kernel writes to stderr, such as warnings, differs from machine to machine, and is not compared. Kernels start in
the folder that the environment variable NBVAL_FOLDER names, in place of the notebook's own.
"""

import os
from typing import Any

from nbval import plugin

_init = plugin.IPyNbFile.__init__


def _init_without_stderr(self: plugin.IPyNbFile, *args: Any, **options: Any) -> None:
    _init(self, *args, **options)
    self.skip_compare = (*self.skip_compare, "stderr")


class _KernelInFolder(plugin.RunningKernel):
    def __init__(self, kernel_name: str, cwd: str, **options: Any):
        super().__init__(kernel_name, cwd=os.environ.get("NBVAL_FOLDER", cwd), **options)


plugin.IPyNbFile.__init__ = _init_without_stderr
plugin.RunningKernel = _KernelInFolder
