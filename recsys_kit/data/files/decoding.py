"""Bytes -> a text file in UTF-8: as the byte-order mark says, or as the caller says; never by a silent guess."""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice, pairwise
from typing import IO, Any

from recsys_kit.data.files.rows import CUT_OFF, first_five, note
from recsys_kit.data.files.unpacking import CHUNK, FORMATS, Content
from recsys_kit.errors import DataError, ParameterError

MAX_BROKEN = 0.01  # share of lines that may be undecodable: above it is the encoding, not the line
MAX_CONTROL = 0.08  # share of control characters: above it is no text
MARKS = {
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
NO_TEXT = re.compile("[\0\ud800-\udfff]")
CONTROL = dict.fromkeys([0, *range(2, 9), *range(14, 32)])  # 1 is a delimiter
HEAD = 1024**2  # characters in which the form of a table is looked for
N_LINES = 100  # of it, at least
N_GUESSED = 1000  # lines from which an encoding is guessed
MIN_FIT = 0.75  # share of their letters that an encoding must make usual ones
NUL = "NUL character"
_UNDECODABLE = re.compile("[\udc80-\udcff]")
_WORD = re.compile("[A-Za-z]*[^\0-\x7f][A-Za-z\x80-\U0010ffff]*")
_NEUTRAL = dict.fromkeys(map(ord, "“”‘’‚„«»‹›–—…•·´`€£¥$°²³½¼¾©®™×±¿¡º§、。，！？：；（）「」『』【】・～ー％－＊＆"))


@dataclass(frozen=True, kw_only=True)
class Text(Content):
    """One file as text in UTF-8, without its byte-order mark and without a last line that was cut.

    An undecodable byte stays as it is.
    """

    encoding: str
    n_marks: int
    """Byte-order marks that the decoder left, and this does not."""
    is_ascii: bool
    has_flaws: bool
    """True where some character is NUL or stands for an undecodable byte: see `flaw`."""
    line_end: Any
    """How every line ends; several ends, or None without any."""
    n_lines: int
    """The lines that end in `\\n`, or at the end of the file."""
    is_open: bool
    """Whether the last line has no end."""

    def open(self) -> IO[str]:
        """Open it for reading; undecodable bytes become lone surrogates, ends of lines stay as they are."""
        return self.path.open(encoding="utf-8", errors="surrogateescape", newline="")

    def lines(self) -> Iterator[str]:
        """The lines without their ends."""
        with self.open() as file:
            for line in file:
                yield line.rstrip("\r\n")

    def read(self, size: int = -1) -> str:
        """The first characters, by default all."""
        with self.open() as file:
            return file.read(size)

    @property
    def head(self) -> str:
        """The beginning of the text: about `HEAD` characters and at least `N_LINES` lines; no part of a line."""
        with self.open() as file:
            return "".join([*islice(file, N_LINES), *file.readlines(HEAD)])

    def flaw(self, value: str) -> str:
        """The rule that a value breaks by not being text; "" for none."""
        if not self.has_flaws or not NO_TEXT.search(value):
            return ""
        return f"bytes are not {self.encoding}" if _UNDECODABLE.search(value) else NUL


def decode(content: Content, encoding: str = "") -> Text:
    """Write the content as UTF-8, in bounded memory.

    Args:
        content: of kind text.
        encoding: of the file; a byte-order mark goes before it. `utf-8+latin-1` reads bytes that are not UTF-8 as
            Latin-1.

    Raises:
        DataError: RK-123 bytes of another encoding, RK-124 no text at all.
        ParameterError: RK-135 no such encoding.
    """
    try:
        for name in (encoding or "utf-8").split("+"):
            "a".encode(name)
    except (LookupError, ValueError) as error:
        problem = f"encoding is {encoding!r}; expected a name such as utf-8, gb18030, latin-1, or utf-8+latin-1."
        raise ParameterError("RK-135", problem, "Leave it out: utf-8.") from error
    with content.path.open("rb") as file:
        start = file.read(4)
    marked = next((known for mark, known in MARKS.items() if start.startswith(mark)), "")
    chosen, notes = marked or encoding or "utf-8", list(content.notes)
    is_utf8 = chosen.split("+")[0].lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")
    if not marked and not is_utf8 and not (plain := _transcode(content, "utf-8")).has_flaws and not plain.is_ascii:
        notes.append(note(f"bytes are valid utf-8, read as {chosen}"))
    text = _transcode(content, chosen)
    if is_wide := marked not in ("", "utf-8"):
        notes.append(note(f"{marked} read as text"))
    if n_marks := text.n_marks + is_wide:
        notes.append(note("byte-order mark left out" if n_marks == 1 else "several byte-order marks left out", n_marks))
    if content.cut_off:
        notes.append(note(CUT_OFF, 1, content.name))
    head = text.read(HEAD) if text.has_flaws else ""
    if (n_control := len(head) - len(head.translate(CONTROL))) > MAX_CONTROL * len(head):
        wide = [name for name, at in (("utf-16-le", 1), ("utf-16-be", 0)) if head[at::2].count("\0") > len(head) // 5]
        fix = f"It looks like UTF-16 without its mark: pass encoding={wide[0]!r}." if wide else "Pass the table itself."
        problem = f"{text.name} has {n_control:,} control characters in {len(head):,}; expected text."
        raise DataError("RK-124", problem, fix)
    n_lines, n_good, broken = _broken_lines(text)
    if broken:
        mixed = "utf-8+" * (is_utf8 and n_good > len(broken))
        found, fix = _find_encoding(content, mixed), "Pass the encoding that it has: none that was tried reads it."
        if found and mixed:
            fix = f"{n_good:,} other lines are good UTF-8: --encoding {found} keeps them, and reads the rest so."
        elif found:
            fix = f"It is probably {found}: pass encoding={found!r} (--encoding {found})."
        shown = f"{len(broken):,} of {n_lines:,} lines hold other bytes, in lines {first_five(broken, len(broken))}"
        raise DataError("RK-123", f"{text.name} is not {chosen}: {shown}; expected none, or ids would be wrong.", fix)
    return replace(text, notes=notes)


def _transcode(content: Content, encoding: str) -> Text:
    """Undecodable bytes stay as they are, so that the rows that hold them can be named."""
    main, _, other = encoding.partition("+")
    n_marks = n_lines = n_written = last_end = 0
    is_ascii, has_flaws, target = True, False, content.folder / "text"
    try:
        codecs.register_error(f"in {other}", lambda error: _read_in(other, error))
        decoder = codecs.getincrementaldecoder(main)(f"in {other}" if other else "surrogateescape")
        reader = io.IncrementalNewlineDecoder(decoder, translate=False)
        with content.path.open("rb") as source, target.open("wb") as out:
            for data in chain(iter(partial(source.read, CHUNK), b""), [b""]):
                text = reader.decode(data, not data and not content.cut_off)
                if not n_written:
                    n_marks += len(text) - len(text := text.lstrip("\ufeff"))
                is_ascii = is_ascii and text.isascii()
                has_flaws = has_flaws or "\0" in text or bool(not text.isascii() and NO_TEXT.search(text))
                written = text.encode("utf-8", "surrogateescape")
                n_lines += written.count(b"\n")
                if end := max(written.rfind(b"\n"), written.rfind(b"\r")) + 1:
                    last_end = n_written + end
                n_written += out.write(written)
            if content.cut_off:
                n_written = out.truncate(last_end)
    except (UnicodeError, LookupError, TypeError) as error:
        problem = f"{content.name} is not {encoding} from byte {getattr(error, 'start', 0):,} on ({error})."
        fix = "Pass the encoding that it was written in, or download it again."
        raise DataError("RK-123", problem, fix) from error
    is_open = n_written > last_end
    return Text(
        **vars(content) | {"path": target}, encoding=encoding, n_marks=n_marks, is_ascii=is_ascii, has_flaws=has_flaws,
        line_end=reader.newlines, n_lines=n_lines + is_open, is_open=is_open,
    )  # fmt: skip


def _read_in(encoding: str, error: Any) -> tuple[str, int]:
    """What is no UTF-8, read in another encoding, such as Latin-1: a handler of errors."""
    return error.object[error.start : error.end].decode(encoding, "surrogateescape"), error.end


def _broken_lines(text: Text) -> tuple[int, int, list[int]]:
    """How many lines there are, and with good letters beyond ASCII; the broken ones, if they are many or the first."""
    broken, n_lines, n_good = [], 0, 0
    for n_lines, line in enumerate(text.lines() if text.has_flaws else (), start=1):
        if _UNDECODABLE.search(line):
            broken.append(n_lines)
        else:
            n_good += not line.isascii()
    return n_lines, n_good, broken if len(broken) > max(1, MAX_BROKEN * n_lines) or 1 in broken else []


# -- guessing ----------------------------------------------------------------------------------------------------------


def _find_encoding(content: Content, prefix: str) -> str:
    """The likely encoding of lines that are no UTF-8, which then reads the file; "" for none."""
    with content.path.open("rb") as file:
        lines = (line for line in file if "\ufffd" in line.decode("utf-8", "replace"))
        sample = b"\n".join(islice(lines, N_GUESSED))
    fits = {name: _fit(sample, **declared) for name, declared in FORMATS["encodings"].items()}
    likely = [prefix + name for name in sorted(fits, key=fits.__getitem__, reverse=True) if fits[name] > MIN_FIT]
    return next((name for name in likely if not _broken_lines(_transcode(content, name))[2]), "")


def _fit(sample: bytes, alphabets: str, tested: str) -> float:
    """The share of the letters beyond ASCII that are usual in some language, each word and all of them by one."""
    patterns = [re.compile(alphabet, re.IGNORECASE) for alphabet in FORMATS["alphabets"][alphabets]]
    n, n_best, n_each = 0, 0, [0] * len(patterns)
    for word in _WORD.findall(sample.decode(tested, "replace").translate(_NEUTRAL)):
        n += sum(not sign.isascii() for sign in word)
        if not any(last.islower() and sign.isupper() and not sign.isascii() for last, sign in pairwise(word)):
            usual = [sum(not sign.isascii() for sign in pattern.findall(word)) for pattern in patterns]
            n_best += max(usual)
            n_each = [sum(both) for both in zip(n_each, usual, strict=True)]
    return (n_best + max(n_each)) / 2 / n if n else 1
