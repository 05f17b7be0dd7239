"""Find the modules of a package that a notebook's import statements reach, directly or through other modules.

The search is static. Imports inside functions count, those under `TYPE_CHECKING` do not. A package's `__init__` that
only re-exports is a table: `from recsys_kit.recommenders import EASE` reaches `linear.py`, not every recommender.
"""

import ast
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

EVERYTHING = "*"
# These find a class by its name: who imports one from another package depends on the whole package.
LOOKUPS = {"MODELS", "class_of", "load", "load_model", "load_models"}
DATA_FILES = (".csv", ".toml")  # a data file with the name of a module belongs to it


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
        search.follow(source)
    data = (path.with_suffix(ending) for path in search.found for ending in DATA_FILES)
    return sorted({*search.found, *(path for path in data if path.exists())})


class _Search:
    """The modules of one package, by dotted name, and the files found so far."""

    def __init__(self, package: Path) -> None:
        self.name = package.name
        self.modules: dict[str, Path] = {}
        for path in package.rglob("*.py"):
            parts = path.relative_to(package.parent).with_suffix("").parts
            self.modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self.found: set[Path] = set()

    def follow(self, source: str, importer: str = "") -> None:
        """Add what the import statements of a source reach; `importer` is the module with the source."""
        for module, name, attributes in find_imports(source):
            package = module if self._is_package(module) else module.rpartition(".")[0]
            if name in LOOKUPS and package in self.modules and not importer.startswith(f"{package}."):
                self.add_package(package)
            if f"{module}.{name}" in self.modules:  # a module is imported: only the attributes in use matter
                for attribute in attributes:
                    self.add_name(f"{module}.{name}", attribute)
            elif module in self.modules:
                self.add_name(module, name)
            elif module == EVERYTHING:
                self.add_package(self.name)

    def add_name(self, module: str, name: str) -> None:
        """Add the module that defines `name`, as it is imported from `module`."""
        path = self.modules[module]
        if not self._is_package(module):
            self.add_module(module)
        elif f"{module}.{name}" in self.modules:
            self.add_name(f"{module}.{name}", EVERYTHING)
        elif name in (table := _read_table(path, module)):
            self.add_name(*table[name])
        elif name in _find_definitions(path.read_text(encoding="utf-8")):
            self.add_module(module)
        else:
            self.add_package(module)

    def _is_package(self, module: str) -> bool:
        return module in self.modules and self.modules[module].name == "__init__.py"

    def add_package(self, package: str) -> None:
        """Add every module of a package."""
        for module in self.modules:
            if f"{module}.".startswith(f"{package}."):
                self.add_module(module)

    def add_module(self, module: str) -> None:
        """Add one module, what it imports, and the packages around it that do more than re-export."""
        path = self.modules[module]
        if path in self.found:
            return
        self.found.add(path)
        parts = module.split(".")
        for parent in (".".join(parts[:n]) for n in range(1, len(parts))):
            if not _only_imports(self.modules[parent].read_text(encoding="utf-8")):
                self.add_module(parent)
        self.follow(path.read_text(encoding="utf-8"), module)


@cache
def find_imports(source: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return `(module, name, attributes)` of each imported name; `attributes` are those that the source uses of it.

    Where a name is used in another way than by an attribute, and for `import module`, all of it counts (`"*"`).

    >>> find_imports("from recsys_kit import plots, widgets\\nplots.new_axes(); show(widgets)")
    [('recsys_kit', 'plots', ('new_axes',)), ('recsys_kit', 'widgets', ('*',))]
    """
    try:
        nodes = list(_walk(ast.parse(source)))
    except SyntaxError:
        return [(EVERYTHING, EVERYTHING, ())]
    uses = Counter(node.id for node in nodes if isinstance(node, ast.Name))
    attributes: dict[str, list[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.setdefault(node.value.id, []).append(node.attr)
    found: list[tuple[str, str, tuple[str, ...]]] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(*alias.name.rpartition(".")[::2], (EVERYTHING,)) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                used = attributes.get(alias.asname or alias.name, [])
                only = len(used) == uses[alias.asname or alias.name]
                found.append((node.module or "", alias.name, tuple(dict.fromkeys(used)) if only else (EVERYTHING,)))
    return found


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """As `ast.walk`, without the body of `if TYPE_CHECKING:`."""
    nodes = deque([tree])
    while nodes:
        node = nodes.popleft()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            nodes.extend(node.orelse)
        else:
            nodes.extend(ast.iter_child_nodes(node))


@cache
def _read_table(path: Path, package: str) -> dict[str, tuple[str, str]]:
    """The names that a package's `__init__` offers -> where they come from: from its stub or its own imports.

    Names that load on first use are also found in a dict of the `__init__`, as in `recsys_kit` itself.
    """
    stub, table = path.with_suffix(".pyi"), dict[str, tuple[str, str]]()
    for node in ast.parse((stub if stub.exists() else path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            module = f"{package}.{node.module}" if node.level else f"{node.module}"
            table |= {alias.asname or alias.name: (module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                    table[str(key.value)] = (str(value.value), str(key.value))
    return table


@cache
def _find_definitions(source: str) -> set[str]:
    """The functions and classes that a module defines."""
    return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@cache
def _only_imports(source: str) -> bool:
    """Whether a module only imports, and names `__all__`."""
    return all(
        isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
        for node in ast.parse(source).body
    )
