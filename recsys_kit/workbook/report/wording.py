"""Words of the report: numbers and lists as text, and templates, which are filled with values.

The sentences of a module are in the TOML file beside it, those of the page in `report.html.j2`.
"""

import tomllib
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import jinja2

from recsys_kit.intervals import Interval
from recsys_kit.workbook.runner.places import project_root


def short(value: Any) -> str:
    """Format a number with three significant digits and separated thousands; anything else stays.

    >>> short(0.08291), short(1234567), short(None), short("tea")
    ('0.0829', '1,234,567', '–', 'tea')
    """
    if value is None or value != value:
        return "–"
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    if isinstance(value, Integral):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(float(value)) >= 1000 else f"{value:#.3g}".rstrip(".")


def counted(n: int, noun: str) -> str:
    """Format a number with its noun.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def share(part: float, whole: float) -> str:
    """Format a share in percent; a small share is not rounded to zero.

    >>> share(1, 3), share(1, 100_000), share(0, 5)
    ('33 %', '< 0.1 %', '0 %')
    """
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"


def listed(words: Sequence[str]) -> str:
    """Join words for a sentence.

    >>> listed(["ease"]), listed(["a", "b", "c"])
    ('ease', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def sentence(text: str) -> str:
    """Make a sentence: a capital first, a full stop if nothing else ends it.

    >>> sentence("no such file"), sentence("Why?"), sentence("")
    ('No such file.', 'Why?', '')
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("." if text and text[-1] not in ".!?" else "")


def chapter_title(name: str) -> str:
    """Return the name of a chapter for a sentence.

    >>> chapter_title("02_feature_extraction")
    '02 feature extraction'
    """
    return name.replace("_", " ")


def pathless(value: Any) -> Any:
    """Return a parameter's value without the folders of this machine, for a page that is passed on.

    >>> pathless("/home/ada/shop/events.csv"), pathless(["a", 2]), pathless("either/or")
    ('…/events.csv', ['a', 2], 'either/or')
    """
    if isinstance(value, list):
        return [pathless(one) for one in value]
    return f"…/{Path(value).name}" if isinstance(value, str) and Path(value).is_absolute() else value


def without_folders(text: Any, folder: Path) -> str:
    """Return a text, such as an error message, without the folders of this machine; `folder` is that of the run."""
    text = str(text or "")
    for here, instead in ((f"{folder}", folder.name), (f"{project_root()}/", ""), (f"{Path.home()}/", "~/")):
        text = text.replace(here, instead)
    return text


def interval(row: Any) -> Interval:
    """Return the interval of a row with value, low and high."""
    return Interval(float(row.value), float(row.low), float(row.high))


ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("recsys_kit.workbook.report", "."),
    autoescape=lambda name: name is not None,  # the templates of pages; a text has no name and is escaped by its page
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.ChainableUndefined,
)
FILTERS = (short, counted, share, listed, sentence, chapter_title, pathless, without_folders, interval, zip)
ENVIRONMENT.filters |= {use.__name__: use for use in FILTERS}


def read_texts(module: str) -> dict[str, Any]:
    """Return the texts in the TOML file beside a module, which passes its `__file__`."""
    return tomllib.loads(Path(module).with_suffix(".toml").read_text(encoding="utf-8"))


def say(text: str, **facts: Any) -> str:
    """Fill the gaps of a text, which are those of a Jinja template.

    >>> say("{{ n | counted('row') }}{% if lost %}, {{ lost | short }} lost{% endif %}", n=2, lost=0)
    '2 rows'
    """
    return ENVIRONMENT.from_string(text).render(facts).strip()


def fill(template: str, **values: Any) -> str:
    """Return the HTML of a template file; all values are escaped."""
    return ENVIRONMENT.get_template(template).render(values)
