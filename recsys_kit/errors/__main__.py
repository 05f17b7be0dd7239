"""Print the index of error codes: `python -m recsys_kit.errors > docs/errors.md`.

Class, module and advice are read from the calls that make the errors, the meaning from `meanings.toml`.
"""

import ast
import html
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1]
CODE = re.compile(r"RK-\d{3}")
SECTIONS = tomllib.loads(Path(__file__).with_name("meanings.toml").read_text(encoding="utf-8"))
INTRODUCTION = SECTIONS.pop("introduction")
MEANINGS = {code: meaning for section in SECTIONS.values() for code, meaning in section.items()}
HEADER = ("| Code | Meaning | What to do | Error, raised in |", "|---|---|---|---|")


class Site(NamedTuple):
    """A call that makes an error."""

    code: str
    module: str
    kind: str
    """The class of the error."""
    advice: tuple[str, ...]
    """What to do, as far as the source says it."""


def find_sites() -> list[Site]:
    """Find all calls of the package that make an error."""
    return sorted({site for path in PACKAGE.rglob("*.py") for site in _sites_of(path)})


def _sites_of(path: Path) -> Iterator[Site]:
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    owner: dict[ast.AST, ast.AST] = {}  # the innermost function or class of each node
    for scope in ast.walk(tree):
        if isinstance(scope, ast.Module | ast.FunctionDef | ast.ClassDef):
            owner.update(dict.fromkeys(ast.walk(scope), scope))
    for call in ast.walk(tree):
        match call:
            case ast.Call(func=func, args=[ast.Constant(value=str(code)), _, *_, advice]) if CODE.fullmatch(code):
                kind = ast.unparse(func).rpartition(".")[2]
                if kind == "__init__":  # an error that fills in its own code
                    classes = (one for one in ast.walk(tree) if isinstance(one, ast.ClassDef))
                    kind = next(one.name for one in classes if call in ast.walk(one))
                kind = "DataError" if kind in ("ask", "Question") else kind  # a refusal that can be answered
                texts = _assigned(tree, call, [owner[call], tree], owner)
                yield Site(code, module, kind, tuple(sorted(set(_render(advice, texts)))))


def _assigned(
    tree: ast.AST, call: ast.Call, scopes: list[ast.AST], owner: dict[ast.AST, ast.AST]
) -> dict[str, list[ast.expr]]:
    """Return what each name may hold at a call: of its function what is assigned since the call before, or the module.

    Two errors of one function often call their advice by the same name.
    """
    texts: dict[str, list[tuple[int, ast.expr]]] = {}
    for scope in scopes:
        for node in (node for node in ast.walk(tree) if owner[node] is scope and isinstance(node, ast.Assign)):
            for target, value in _pairs(node):
                if scope is tree or node.lineno <= call.lineno:
                    texts.setdefault(target, []).append((node.lineno, value))
    others = [node.lineno for node in ast.walk(tree)
              if isinstance(node, ast.Raise) and owner[node] is scopes[0] and node.lineno < call.lineno]  # fmt: skip
    since = max(others, default=0)
    return {
        name: [value for line, value in found if line > since] or [value for _, value in found]
        for name, found in texts.items()
    }


def _pairs(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    """The names of an assignment, each with its value."""
    target = node.targets[0]
    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        pairs = zip(target.elts, node.value.elts, strict=False)
        yield from ((one.id, value) for one, value in pairs if isinstance(one, ast.Name))
    elif isinstance(target, ast.Name):
        yield target.id, node.value


def _render(node: ast.expr, texts: dict[str, list[ast.expr]]) -> Iterator[str]:
    """Yield the texts that an expression may give, with "…" for what is known only when it runs.

    >>> list(_render(ast.parse("f'Pass {name}=7.' if name else 'Leave it out.'", mode="eval").body, {}))
    ['Pass …=7.', 'Leave it out.']
    """
    match node:
        case ast.Constant(value=str(text)):
            yield text.strip()
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts).strip()
        case ast.IfExp(body=body, orelse=other):
            yield from _render(body, texts)
            yield from _render(other, texts)
        case ast.Name(id=name):
            for value in texts.get(name, []):
                yield from _render(value, {})
        case ast.Call(func=ast.Name(), args=parts):
            for part in parts:
                yield from _render(part, {})


def write_index() -> str:
    """Return the page: a table of codes for each section, as Markdown."""
    sites, parts = find_sites(), [INTRODUCTION]
    for title, codes in SECTIONS.items():
        rows = [_row(code, [site for site in sites if site.code == code]) for code in codes]
        parts.append("\n".join([f"## {title}\n", *HEADER, *rows, ""]))
    return "\n".join(parts)


def _row(code: str, sites: list[Site]) -> str:
    advice = "<br>".join(dict.fromkeys(escape(text) for site in sites for text in site.advice))
    kinds = ", ".join(sorted({f"`{site.kind}`" for site in sites}))
    modules = ", ".join(sorted({f"`{site.module}`" for site in sites}))
    return f"| {code} | {MEANINGS[code]} | {advice or 'See the message.'} | {kinds} in {modules} |"


def escape(text: str) -> str:
    """Escape what Markdown would read as markup in a cell of a table.

    >>> escape("Rename <it>:\\ncolumns={'a': 'b|c'}")
    "Rename &lt;it&gt;: columns={'a': 'b\\\\|c'}"
    """
    return " ".join(re.sub(r"[|*]", r"\\\g<0>", html.escape(text, quote=False)).split())


if __name__ == "__main__":
    print(write_index(), end="")
