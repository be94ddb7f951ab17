"""A plugin for pytest: what a kernel writes to stderr, such as warnings, differs from machine to machine."""

from nbval.plugin import IPyNbFile

_init = IPyNbFile.__init__


def _init_without_stderr(self, *args, **options):
    _init(self, *args, **options)
    self.skip_compare = (*self.skip_compare, "stderr")


IPyNbFile.__init__ = _init_without_stderr
