"""A Jupyter-first workbook for deep-learning recommendation.

The public names load on first use, so that `import recsys_kit` stays light:

    from recsys_kit import load_dataset, open_run

Their list is the stub beside this file, which editors and type checkers read as well.
"""

import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from recsys_kit.core.threads import limit_spinning

limit_spinning()  # before PyTorch is loaded

_STUB = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
_IMPORTS = re.findall(r"^from (recsys_kit\.\S+) import (\w+) as", _STUB, re.MULTILINE)
PUBLIC = {name: module for module, name in _IMPORTS}  # the module that defines each name
__all__ = sorted(PUBLIC)

try:
    __version__ = version("recsys_kit")
except PackageNotFoundError:  # a checkout on the path, not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'recsys_kit' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(PUBLIC[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
