"""Find the modules of a package that a notebook's import statements reach, directly or through other modules.

The search is static. Imports inside functions count, those under `TYPE_CHECKING` do not. A package's `__init__` that
only re-exports is a table: `from recsys_kit.recommenders import EASE` reaches `linear.py`, not every recommender.
"""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

# These find a class by its name: who imports one from another package depends on the whole package.
LOOKUPS = {"MODELS", "class_of", "load", "load_model", "load_models"}
DATA_FILES = (".csv", ".j2", ".toml")  # a data file with the name of a module belongs to it


def find_files(sources: Iterable[str], package: Path) -> list[Path]:
    """Return the files of `package` that some Python sources depend on.

    Args:
        sources: Python code, such as the code cells of a notebook. Code that cannot be parsed depends on every file.
        package: folder of the package.

    Returns:
        Paths of modules and of the data files that belong to them, sorted.
    """
    search = _Search(package)
    for source in sources:
        try:
            names = find_names(source)
        except SyntaxError:
            names = {package.name}
        for name in names:
            search.add(name)
    data = (path.with_suffix(ending) for path in search.found for ending in DATA_FILES)
    return sorted({*search.found, *(path for path in data if path.exists())})


class _Search:
    """The modules of one package, by dotted name, and the files found so far."""

    def __init__(self, package: Path) -> None:
        self.modules: dict[str, Path] = {}
        for path in package.rglob("*.py"):
            parts = path.relative_to(package.parent).with_suffix("").parts
            self.modules[".".join(parts).removesuffix(".__init__")] = path
        self.found: set[Path] = set()

    def add(self, name: str, importer: str = "") -> None:
        """Add what a dotted name stands for: a whole package, a module, or the module that defines the name."""
        module, inner = name, ""
        while module and module not in self.modules:
            module, _, inner = module.rpartition(".")
        if not module:
            return
        path = self.modules[module]
        is_package = path.name == "__init__.py"
        package = module if is_package else module.rpartition(".")[0]
        if inner in LOOKUPS and not importer.startswith(f"{package}."):
            self._add_package(package)
        if not is_package:
            self._add_module(module)
        elif origin := _read_table(path).get(inner):
            self.add(origin, importer=module)
        elif inner and not _only_imports(path):
            self._add_module(module)
        else:
            self._add_package(module)

    def _add_package(self, package: str) -> None:
        for module in self.modules:
            if f"{module}.".startswith(f"{package}."):
                self._add_module(module)

    def _add_module(self, module: str) -> None:
        """Add one module, what it imports, and the packages around it that do more than re-export."""
        path = self.modules[module]
        if path in self.found:
            return
        self.found.add(path)
        parts = module.split(".")
        for parent in (".".join(parts[:n]) for n in range(1, len(parts))):
            if not _only_imports(self.modules[parent]):
                self._add_module(parent)
        for name in find_names(path.read_text(encoding="utf-8")):
            self.add(name, importer=module)


@cache
def find_names(source: str) -> set[str]:
    """Return the dotted names that a source imports; of a name whose attributes it uses, only these attributes.

    >>> sorted(find_names("from recsys_kit import plots, widgets\\nplots.new_axes(); show(widgets)"))
    ['recsys_kit.plots.new_axes', 'recsys_kit.widgets']
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            node.body = []
    names, attributes = set[str](), dict[str, set[str]]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.setdefault(node.value.id, set()).add(node.attr)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                used = attributes.get(alias.asname or alias.name, {""})
                names |= {f"{node.module}.{alias.name}.{attribute}".rstrip(".") for attribute in used}
    return names


@cache
def _read_table(path: Path) -> dict[str, str]:
    """The names that a package's `__init__` offers -> the dotted names that they have where they are defined."""
    stub = path.with_suffix(".pyi")
    tree = ast.parse((stub if stub.exists() else path).read_text(encoding="utf-8"))
    imports = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    return {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in imports for alias in node.names}


@cache
def _only_imports(path: Path) -> bool:
    """Whether an `__init__` only imports, and names `__all__`."""
    return all(
        isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
    )
