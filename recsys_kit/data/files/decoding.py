"""Bytes -> a text file in UTF-8: as the byte-order mark says, or as the caller says; never by a silent guess."""

import codecs
import io
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any

from recsys_kit.data.files.rows import CUT_OFF, first_five, no_rows, note
from recsys_kit.data.files.unpacking import CHUNK, Content
from recsys_kit.errors import DataError, ParameterError

MAX_BROKEN = 0.01  # share of lines that may be undecodable: above it is the encoding, not the line
MAX_CONTROL = 0.08  # share of control characters: above it is no text
MARKS = {
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
NO_TEXT = re.compile("[\0\ud800-\udfff]")
CONTROL = dict.fromkeys([*range(9), *range(14, 32)])
HEAD = 1024**2  # bytes in which the form of a table is looked for
N_LINES = 100  # of it, at least
N_GUESSED = 1000  # lines from which an encoding is guessed
GUESSES = (  # an encoding, its wide form, the signs that are usual in it, their share, and how many stand together
    ("euc_kr", "cp949", "[가-힣]", 0.9, 1.5), ("cp1251", "cp1251", "[а-яё]", 0.6, 3),
    ("shift_jis", "cp932", "[ぁ-ヿ]", 0.2, 1.5), ("gb2312", "gb18030", "[一-龥]", 0.8, 1.5),
    ("big5", "cp950", "[一-龥]", 0.8, 1.5), ("gb18030", "gb18030", "[一-龥]", 0.8, 1.5),
)  # fmt: skip
NUL = "NUL character"
_UNDECODABLE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Text:
    """One file as text, without its byte-order mark and without a last line that was cut."""

    name: str
    suffix: str
    path: Path
    """The text in UTF-8; an undecodable byte stays as it is."""
    encoding: str
    cut_off: bool
    has_flaws: bool
    """True where some character is NUL or stands for an undecodable byte: see `flaw`."""
    line_end: Any
    """How every line ends; several ends, or None without any."""
    notes: list[dict[str, Any]]

    def open(self) -> IO[str]:
        """Open it for reading; undecodable bytes become lone surrogates, ends of lines stay as they are."""
        return self.path.open(encoding="utf-8", errors="surrogateescape", newline="")

    def lines(self) -> Iterator[str]:
        """The lines without their ends."""
        with self.open() as file:
            for line in file:
                yield line.rstrip("\r\n")

    def count_lines(self) -> int:
        """The number of lines that end in `\\n`, or at the end of the file."""
        with self.path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(partial(file.read, CHUNK), b"")) + self.is_open

    def read(self, size: int = -1) -> str:
        """The first bytes as text, by default all."""
        with self.path.open("rb") as file:
            return file.read(size).decode("utf-8", "surrogateescape")

    @property
    def head(self) -> str:
        """The beginning of the text: `HEAD` bytes, and more where that is only a few lines; no part of a line."""
        size, whole = HEAD, self.path.stat().st_size
        while (head := self.read(size)).count("\n") < N_LINES and size < whole:
            size *= 8
        return head if size >= whole else head[: head.rfind("\n") + 1]

    @property
    def is_open(self) -> bool:
        """Whether the last line has no end."""
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) not in b"\r\n"

    def flaw(self, value: str) -> str:
        """The rule that a value breaks by not being text; "" for none."""
        if not self.has_flaws or not NO_TEXT.search(value):
            return ""
        return f"bytes are not {self.encoding}" if _UNDECODABLE.search(value) else NUL


def check_encoding(encoding: str) -> None:
    """Raises `ParameterError` (RK-135) for an encoding that does not exist."""
    try:
        for name in (encoding or "utf-8").split("+"):
            b"a".decode(name)
    except UnicodeError:
        return
    except (LookupError, ValueError) as error:
        raise ParameterError(
            "RK-135",
            f"encoding is {encoding!r}; expected a name such as utf-8, gb18030, latin-1, or utf-8+latin-1.",
            "Leave it out: utf-8.",
        ) from error


def decode(content: Content, encoding: str = "") -> Text:
    """Write the content as UTF-8, in bounded memory.

    Args:
        content: of kind text.
        encoding: of the file; a byte-order mark goes before it. `utf-8+latin-1` reads bytes that are not UTF-8 as
            Latin-1.

    Raises:
        DataError: RK-122 no whole line, RK-123 bytes of another encoding, RK-124 no text at all.
    """
    check_encoding(encoding)
    with content.path.open("rb") as file:
        start = file.read(4)
    marked = next((known for mark, known in MARKS.items() if start.startswith(mark)), "")
    chosen, target, notes = marked or encoding or "utf-8", content.folder / "text", list(content.notes)
    n_marks, has_flaws, line_end = _transcode(content, chosen, target)
    if marked not in ("", "utf-8"):
        n_marks += 1
        notes.append(note(f"{marked} read as text"))
    elif not marked and not _is_utf8(chosen) and _holds_utf8(content.path):
        notes.append(note(f"bytes are valid utf-8, read as {chosen}"))
    if n_marks:
        notes.append(note("byte-order mark left out" if n_marks == 1 else "several byte-order marks left out", n_marks))
    if content.cut_off:
        _cut_last_line(target)
        notes.append(note(CUT_OFF, 1, content.name))
    text = Text(content.name, content.suffix, target, chosen, content.cut_off, has_flaws, line_end, notes)
    if not any(map(str.strip, text.lines())):
        raise no_rows(content.name)
    if has_flaws:
        _check_flaws(text, content.path)
    return text


def _transcode(content: Content, encoding: str, target: Path) -> tuple[int, bool, Any]:
    """Undecodable bytes stay as they are, so that the rows that hold them can be named.

    Returns the number of byte-order marks that the decoder left, and `has_flaws` and `line_end` of the text.
    """
    main, _, other = encoding.partition("+")
    n_marks = n_written = 0
    has_flaws = False
    try:
        decoder = codecs.getincrementaldecoder(main)(_read_with(other) if other else "surrogateescape")
        reader = io.IncrementalNewlineDecoder(decoder, translate=False)
        with content.path.open("rb") as source, target.open("wb") as out:
            for data in chain(iter(partial(source.read, CHUNK), b""), [b""]):
                text = reader.decode(data, not data and not content.cut_off)
                if not n_written:
                    n_marks += len(text) - len(text := text.lstrip("\ufeff"))
                has_flaws = has_flaws or "\0" in text or bool(not text.isascii() and NO_TEXT.search(text))
                n_written += out.write(text.encode("utf-8", "surrogateescape"))
    except (UnicodeError, LookupError, TypeError) as error:
        raise DataError(
            "RK-123",
            f"{content.name} is not {encoding} from byte {getattr(error, 'start', 0):,} on ({error}).",
            "Pass the encoding that it was written in, or download it again.",
        ) from error
    return n_marks, has_flaws, reader.newlines


def _read_with(encoding: str) -> str:
    """The name of an error handler that reads what is no UTF-8 in another encoding, such as Latin-1."""
    name = f"recsys_kit+{encoding}"

    def read(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        return error.object[error.start : error.end].decode(encoding, "surrogateescape"), error.end

    codecs.register_error(name, read)
    return name


def _holds_utf8(path: Path) -> bool:
    """Whether letters beyond ASCII are valid UTF-8."""
    try:
        with path.open(encoding="utf-8") as file:
            return sum(not line.isascii() for line in file) > 0
    except UnicodeDecodeError:
        return False


def _cut_last_line(path: Path) -> None:
    """Leave out what stands behind the last end of a line."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        if size:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                size = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        file.truncate(size)


def _check_flaws(text: Text, source: Path) -> None:
    """A few broken lines are quarantined; many, or the first one, mean that the file is not what it is taken for."""
    broken, shown, n_lines, n_good, n_control, n_characters = [], [], 0, 0, 0, 0
    for n_lines, line in enumerate(text.lines(), start=1):
        n_characters += len(line) + 1
        n_control += 0 if line.isprintable() else len(line) - len(line.translate(CONTROL))
        if _UNDECODABLE.search(line):
            broken.append(n_lines)
            shown += [line] * (len(shown) < N_GUESSED)
        else:
            n_good += not line.isascii()
    if n_control > MAX_CONTROL * n_characters:
        with source.open("rb") as file:
            data = file.read(HEAD)
        wide = [end for end, at in (("le", 1), ("be", 0)) if data[at::2].count(0) > len(data) // 5]
        raise DataError(
            "RK-124",
            f"{text.name} has {n_control:,} control characters in {n_characters:,}; expected text.",
            f"It looks like UTF-16 without its mark: pass encoding='utf-16-{wide[0]}'."
            if wide
            else "It is no text: pass the table itself.",
        )
    if len(broken) <= max(1, MAX_BROKEN * n_lines) and 1 not in broken:
        return
    guess, fix = _guess("\n".join(shown)), "Pass the encoding that it was written in."
    if _is_utf8(text.encoding):  # of others the undecodable bytes alone are left
        fix = f"It is probably {guess}: pass encoding={guess!r} (--encoding {guess})."
        if n_good > len(broken):
            fix = (
                f"{n_good:,} other lines are good UTF-8, so the file was put together from two: --encoding "
                f"utf-8+{guess} reads those {len(broken):,} lines as {guess} and all others as UTF-8."
            )
    raise DataError(
        "RK-123",
        f"{text.name} is not {text.encoding}: {len(broken):,} of {n_lines:,} lines hold other bytes, in lines "
        f"{first_five(broken, len(broken))}; read so, names and ids would be wrong.",
        fix,
    )


def _is_utf8(encoding: str) -> bool:
    return encoding.split("+")[0].lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")


def _guess(lines: str) -> str:
    """The likely encoding: one that reads nearly all, to signs that stand beside each other and are usual in it."""
    sample = lines.encode("utf-8", "surrogateescape")
    for strict, wide, usual, share, together in GUESSES:
        runs = re.findall("[^\0-\x7f]+", sample.decode(strict, "replace"))
        signs = "".join(runs)
        n_usual, n_broken = len(re.findall(usual, signs)), signs.count("\ufffd")
        if len(signs) >= together * len(runs) and n_usual >= share * len(signs) and 5 * n_broken <= len(signs):
            return wide
    for encoding in ("cp1252", "cp1250") if re.search(rb"[\x80-\x9f]", sample) else ():
        with suppress(UnicodeDecodeError):
            sample.decode(encoding)
            return encoding
    return "latin-1"
