"""Print the index of error codes: `python -m recsys_kit.errors > docs/errors.md`.

Class, module and advice are read from the calls that make the errors, the meaning from `MEANINGS`.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recsys_kit.errors.meanings import MEANINGS

PACKAGE = Path(__file__).parents[1]
CODE = re.compile(r"RK-\d{3}")
SECTIONS = {
    "1": "Input data",
    "2": "Language models and devices",
    "3": "Parameters and queries",
    "4": "Files of a run",
    "5": "The run itself",
}
INTRODUCTION = """\
# Error codes

Every error of the package reads `<code> <thing> <what is wrong, with the value>; expected <rule>. <What to do.>`

The command `recsys-kit` ends with exit code 2 after a wrong input, 4 after a damaged file of a run, and 3 after any
other error. "…" stands for a value that the message shows.

This page is made by `python -m recsys_kit.errors > docs/errors.md`; a test keeps it complete."""


@dataclass(frozen=True, order=True)
class Site:
    """A call that makes an error."""

    code: str
    module: str
    kind: str
    """The class of the error."""
    advice: tuple[str, ...]
    """What to do, as far as the source says it."""


def find_sites(package: Path = PACKAGE) -> list[Site]:
    """Find all calls of the package that make an error."""
    return sorted({site for path in package.rglob("*.py") for site in _sites_of(path, package)})


def _sites_of(path: Path, package: Path) -> Iterator[Site]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    module = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
    texts: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            texts.setdefault(node.targets[0].id, []).append(node.value)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and len(call.args) == 3 and CODE.fullmatch(str(_constant(call.args[0]))):
            owner = next((one.name for one in classes if call in ast.walk(one)), "")
            kind = ast.unparse(call.func).rpartition(".")[2]
            advice = tuple(sorted(set(_render(call.args[2], texts))))
            yield Site(str(_constant(call.args[0])), module, owner if kind == "__init__" else kind, advice)


def _constant(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _render(node: ast.expr | None, texts: dict[str, list[ast.expr]]) -> Iterator[str]:
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
        case ast.Name(id=name) if name in texts:
            for value in texts[name]:
                yield from _render(value, {})
        case ast.Call(func=ast.Name(), args=parts):
            for part in parts:
                yield from _render(part, {})


def find_codes(package: Path = PACKAGE) -> set[str]:
    """Find all codes that the source mentions, also in docstrings."""
    return {code for path in package.rglob("*.py") if path.parent != package / "errors" or path.stem == "__init__"
            for code in CODE.findall(path.read_text(encoding="utf-8"))}  # fmt: skip


def write_index() -> str:
    """Return the page: a table of codes for each section, as Markdown."""
    sites = find_sites()
    lines = [INTRODUCTION]
    for digit, title in SECTIONS.items():
        lines += [
            f"\n## RK-{digit}xx: {title}\n",
            "| Code | Meaning | What to do | Error, raised in |",
            "|---|---|---|---|",
        ]
        lines += [_row(code, [site for site in sites if site.code == code]) for code in MEANINGS if code[3] == digit]
    return "\n".join(lines) + "\n"


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
    for sign, shown in {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": r"\|", "*": r"\*"}.items():
        text = text.replace(sign, shown)
    return " ".join(text.split())


if __name__ == "__main__":
    print(write_index(), end="")
