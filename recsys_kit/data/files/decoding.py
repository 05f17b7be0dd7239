"""Bytes -> text: in UTF-8, as the byte-order mark says, or as the caller says; never by a silent guess."""

import codecs
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from recsys_kit.data.files.rows import CUT_OFF, first_five, note
from recsys_kit.data.files.unpacking import Content
from recsys_kit.errors import DataError, ParameterError

MAX_BROKEN = 0.01  # share of lines that may be undecodable: above it is the encoding, not the line
MAX_CONTROL = 0.08  # share of control characters: above it is no text
MARKS = {
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
NO_TEXT = re.compile("[\0\ud800-\udfff]")
_CONTROL = re.compile("[\0-\x08\x0e-\x1f]")
_LINE_END = re.compile("\r\n|\n|\r")
_UNDECODABLE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Text:
    """One file as text, without its byte-order mark and without a last line that was cut."""

    name: str
    suffix: str
    text: str
    encoding: str
    cut_off: bool
    has_flaws: bool
    """True where some character is NUL or stands for an undecodable byte: see `flaw`."""
    notes: list[dict[str, Any]]

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return _LINE_END.split(self.text)

    def flaw(self, value: str) -> str:
        """The rule that a value breaks by not being text; "" for none."""
        found = self.has_flaws and NO_TEXT.search(value)
        return "" if not found else "NUL character" if found[0] == "\0" else f"bytes are not {self.encoding}"


def check_encoding(encoding: str) -> None:
    """Raises `ParameterError` (RK-135) for an encoding that does not exist."""
    try:
        b"a".decode(encoding or "utf-8")
    except UnicodeError:
        return
    except (LookupError, ValueError) as error:
        raise ParameterError(
            "RK-135",
            f"encoding is {encoding!r}; expected a name such as utf-8, gb18030, latin-1.",
            "Leave it out: utf-8.",
        ) from error


def decode(content: Content, encoding: str = "") -> Text:
    """Raises `DataError`: (RK-121) nothing there, (RK-123) bytes of another encoding, (RK-124) no text at all."""
    check_encoding(encoding)
    name, data, notes = content.name, content.data, list(content.notes)
    marked = next((known for mark, known in MARKS.items() if data.startswith(mark)), "")
    if marked and marked != "utf-8":
        notes.append(note(f"{marked} read as text"))
    elif not data.isascii() and not _is_utf8(encoding or "utf-8") and _decodes(data, "utf-8"):
        notes.append(note(f"bytes are valid utf-8, read as {encoding}"))
    encoding = marked or encoding or "utf-8"
    text = _decode(content, encoding)
    stripped = text.lstrip("\ufeff")
    if n_marks := len(text) - len(stripped) + (marked not in ("", "utf-8")):
        notes.append(note("byte-order mark left out" if n_marks == 1 else "several byte-order marks left out", n_marks))
    if content.cut_off:
        stripped = stripped[: max(stripped.rfind("\n"), stripped.rfind("\r")) + 1]
        notes.append(note(CUT_OFF, 1, name))
    if not stripped.strip():
        raise DataError(
            "RK-121",
            f"{name} has {'no whole line' if content.cut_off else 'only blank lines' if data else 'no byte'} "
            f"({len(data):,} bytes); expected a header and rows.",
            "Export or download it again.",
        )
    has_flaws = "\0" in stripped or not _is_text(stripped)
    if has_flaws:
        _check_flaws(name, data, stripped, encoding)
    return Text(name, content.suffix, stripped, encoding, content.cut_off, has_flaws, notes)


def _decode(content: Content, encoding: str) -> str:
    """Undecodable bytes become lone surrogates, so that the rows that hold them can be named."""
    try:
        return content.data.decode(encoding)
    except UnicodeError:
        pass
    try:
        decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        return decoder.decode(content.data, not content.cut_off)
    except (UnicodeError, LookupError, TypeError) as error:
        at = getattr(error, "start", 0)
        raise DataError(
            "RK-123",
            f"{content.name} is not {encoding} from byte {at:,} on ({error}).",
            "Pass the encoding that it was written in, or download it again.",
        ) from error


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_flaws(name: str, data: bytes, text: str, encoding: str) -> None:
    """A few broken lines are quarantined; many, or the first one, mean that the file is not what it is taken for."""
    if len(_CONTROL.findall(text)) > MAX_CONTROL * len(text):
        guess = next((f"encoding='utf-16-{end}'" for end, at in (("le", 1), ("be", 0)) if _is_wide(data, at)), "")
        raise DataError(
            "RK-124",
            f"{name} has {len(_CONTROL.findall(text)):,} control characters in {len(text):,}; expected text.",
            f"It looks like UTF-16 without its mark: pass {guess}."
            if guess
            else "It is no text: pass the table itself.",
        )
    lines = _LINE_END.split(text)
    broken = [number for number, line in enumerate(lines, start=1) if _UNDECODABLE.search(line)]
    if len(broken) <= max(1, MAX_BROKEN * len(lines)) and 1 not in broken:
        return
    guess = _guess("\n".join(lines[number - 1] for number in broken[:1000]), encoding)
    raise DataError(
        "RK-123",
        f"{name} is not {encoding}: {len(broken):,} of {len(lines):,} lines hold other bytes, in lines "
        f"{first_five(broken, len(broken))}, the first at byte {_first_broken(data, encoding):,}; "
        "read so, names and ids would be wrong.",
        f"It is probably {guess}: pass encoding={guess!r} (--encoding {guess}).",
    )


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_wide(data: bytes, at: int) -> bool:
    return data[at::2].count(0) > len(data) // 5


def _first_broken(data: bytes, encoding: str) -> int:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _guess(lines: str, encoding: str) -> str:
    """The likely encoding: in Chinese text bytes above 127 come in pairs, in western text alone among letters."""
    if not _is_utf8(encoding):  # the undecodable bytes of other encodings cannot be had back
        return "utf-8"
    sample = lines.encode("utf-8", "surrogateescape")
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", sample)]
    if sum(runs) >= 2 * len(runs):
        for encoding in ("gb18030", "big5", "shift_jis"):
            if _decodes(sample, encoding):
                return encoding
    return "cp1252" if re.search(rb"[\x80-\x9f]", sample) else "latin-1"
