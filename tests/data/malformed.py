"""Makes bad files: a table of known faults with what each must lead to, and seeded mutations of good files."""

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

CSV = "user_id,item_id,title\n" + "".join(f'u{n},{n:03},"Lamp ""{n}"", oak"\n' for n in range(1, 41))
JSONL = "".join(json.dumps({"user_id": f"u{n}", "item_id": n, "tags": ["a", "ü"]}) + "\n" for n in range(40))


def zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def encrypted(content: bytes) -> bytes:
    """A zip whose members say that they are encrypted."""
    content = bytearray(zipped({"a.csv": content}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def parquet(columns: dict[str, object]) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, write_page_checksum=True)
    return target.getvalue()


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


NESTED = {
    "user_id": [f"u{n}" for n in range(200)],
    "price": [n / 7 for n in range(200)],
    "tags": [["a", "b"][: n % 3] for n in range(200)],
    "size": [{"cm": n} for n in range(200)],
    "brand": pa.array(["Fernby", None] * 100).dictionary_encode(),
}
PARQUET = parquet(NESTED)
CHINESE = "用户,商品\n" + "张三,台灯\n李四,茶杯\n" * 20


class Broken(NamedTuple):
    """One bad file: `outcome` is the code of its error, or the rule that its one bad row breaks."""

    what: str
    name: str
    content: Callable[[], bytes]
    outcome: str


BROKEN = [
    Broken("no byte", "a.csv", lambda: b"", "RK-122"),
    Broken("blank lines only", "a.csv", lambda: b"\n \r\n\n", "RK-122"),
    Broken("header only", "a.csv", lambda: b"user,item\n", "RK-122"),
    Broken("Chinese in GB18030", "a.csv", lambda: CHINESE.encode("gb18030"), "RK-123"),
    Broken("one line in Latin-1", "a.csv", lambda: CSV.encode() + b"u9,9,caf\xe9\n", "bytes are not utf-8"),
    Broken("UTF-16 without its mark", "a.csv", lambda: CSV.encode("utf-16-le"), "RK-124"),
    Broken("NUL in a field", "a.csv", lambda: (CSV + "u9,\0,x\n").encode(), "NUL character"),
    Broken("a row too short", "a.csv", lambda: (CSV + "u9,9\n").encode(), "row is too short"),
    Broken("a row too long", "a.csv", lambda: (CSV + "u9,9,a,b\n").encode(), "row is too long"),
    Broken("every row too long", "a.csv", lambda: b"user,item\n" + b"1,2,3\n" * 9, "RK-127"),
    Broken("one name in two cases", "a.csv", lambda: b"id,title,ID \n1,2,3\n", "RK-125"),
    Broken("numbers without a header", "a.dat", lambda: b"7::8::9\n" + b"1::2::3\n" * 9, "RK-165"),
    Broken("a quote left open", "a.csv", lambda: CSV.replace('oak"\nu9', "oak\nu9").encode(), "RK-128"),
    Broken("text behind a quote", "a.csv", lambda: (CSV + 'u9,9,"5" nail"\n').encode(), "text behind a closing quote"),
    Broken("gzip called .csv", "a.csv", lambda: gzip.compress(CSV.encode()), "RK-114"),
    Broken("CSV called .gz", "a.csv.gz", CSV.encode, "RK-114"),
    Broken("JSON called .csv", "a.csv", JSONL.encode, "RK-114"),
    Broken("a log-in page", "a.csv", lambda: b"\xef\xbb\xbf\n<!DOCTYPE html><html><body>Log in", "RK-115"),
    Broken("an Excel workbook", "a.csv", lambda: zipped({"[Content_Types].xml": b"", "xl/x.xml": b""}), "RK-115"),
    Broken("a bomb", "a.csv.gz", lambda: gzip.compress(bytes(80 * 1024**2)), "RK-116"),
    Broken("a wrong checksum", "a.csv.gz", lambda: flipped(gzip.compress(CSV.encode()), -8), "RK-117"),
    Broken("a damaged member", "a.zip", lambda: flipped(zipped({"a.csv": CSV.encode()}), 60), "RK-117"),
    Broken("two tables", "a.zip", lambda: zipped({"a.csv": b"x\n1\n", "b/b.csv": b"x\n1\n"}), "RK-118"),
    Broken("pictures only", "a.zip", lambda: zipped({"a.png": b"", "__MACOSX/a.csv": b""}), "RK-118"),
    Broken("encrypted", "a.zip", lambda: encrypted(CSV.encode()), "RK-117"),
    Broken("a key twice", "a.jsonl", lambda: (JSONL + '{"a": 1, "a": 2}\n').encode(), "key appears twice"),
    Broken("an infinity", "a.jsonl", lambda: (JSONL + '{"a": Infinity}\n').encode(), "Infinity is not JSON"),
    Broken("100,000 brackets", "a.jsonl", lambda: (JSONL + "[" * 10**5 + "\n").encode(), "nested too deeply"),
    Broken("half a character", "a.jsonl", lambda: JSONL.encode() + b'{"a": "\\ud83d"}\n', "lone surrogate"),
    Broken("a number as line", "a.jsonl", lambda: JSONL.encode() + b"7\n", "line is not an object"),
    Broken("one object, many lines", "a.json", lambda: json.dumps({"x": 1}, indent=1).encode(), "RK-127"),
    Broken("an open array", "a.json", lambda: b'[{"a": 1}, {"a": 2}', "RK-130"),
    Broken("half a Parquet file", "a.parquet", lambda: PARQUET[: len(PARQUET) // 2], "RK-117"),
    Broken("a flipped page", "a.parquet", lambda: flipped(PARQUET, 60), "RK-117"),
    Broken("ids as keys", "a.jsonl", lambda: json.dumps({f"u{n}": 1 for n in range(21_000)}).encode(), "RK-132"),
]  # fmt: skip

GOOD = {
    "a.csv": CSV.encode(), "a.tsv": CSV.replace(",", "\t").encode(), "b.csv": CHINESE.encode(),
    "c.csv": CSV.encode("utf-16"), "a.jsonl": JSONL.encode(),
    "a.json": f"[{JSONL.strip()}]".replace("\n", ",").encode(),
    "b.zip": zipped({"d/a.jsonl": JSONL.encode(), "d/x.png": b"\x89PNG"}), "a.parquet": PARQUET,
}  # fmt: skip
TOKENS = [
    b'"',
    b"\n",
    b",",
    b"\0",
    b"\xff",
    b"{",
    b"[",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"NaN",
    b"\t",
    b"\r",
    b"::",
    b"PK\x05\x06",
]


def mutate(rng: random.Random) -> tuple[str, bytes]:
    """A name and content: a good file, damaged one to six times, and half of the time packed when it is damaged."""
    name, content = rng.choice(list(GOOD.items()))
    is_text = name.endswith(("csv", "tsv", "json", "jsonl"))
    for _ in range(rng.randint(1, 6)):
        content = rng.choice(DAMAGES if is_text else DAMAGES[:7])(rng, content)
    if is_text and rng.random() < 0.5:
        name, content = rng.choice(((f"{name}.gz", gzip.compress(content)), ("a.zip", zipped({name: content}))))
        content = rng.choice((_flip, _cut, _splice))(rng, content) if rng.random() < 0.3 else content
    return name, content


def _flip(rng: random.Random, content: bytes) -> bytes:
    return flipped(content, rng.randrange(len(content))) if content else content


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randint(0, len(content))]


def _insert(rng: random.Random, content: bytes) -> bytes:
    at = rng.randint(0, len(content))
    return content[:at] + rng.choice(TOKENS) * rng.choice((1, 1, 2, 500)) + content[at:]


def _splice(rng: random.Random, content: bytes) -> bytes:
    other = rng.choice(list(GOOD.values()))
    return content[: rng.randint(0, len(content))] + other[rng.randint(0, len(other)) :]


def _remove(rng: random.Random, content: bytes) -> bytes:
    at = rng.randint(0, len(content))
    return content[:at] + content[at + rng.randint(1, 40) :]


def _swap_header(rng: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    other = rng.randrange(len(lines))
    lines[0], lines[other] = lines[other], lines[0]
    return b"\n".join(lines)


def _encode(rng: random.Random, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-16", "utf-16-be", "gb18030", "latin-1", "utf-32")), "replace")


DAMAGES = [_flip, _flip, _cut, _insert, _insert, _splice, _remove, _swap_header, _encode]
