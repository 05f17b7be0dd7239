"""What counts as a word: runs between spaces, and in scripts without spaces characters and pairs of neighbours.

Chinese, Japanese, Thai, Lao, Khmer and Burmese put no space between words, so scikit-learn's pattern takes a whole
sentence for one word that no other text shares. Korean has spaces, but particles stick to its words; Lucene's analyzer
for these scripts counts pairs there too. Source: Lucene's CJKBigramFilter (pairs); single characters are added here.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from unicodedata import category

from sklearn.feature_extraction.text import CountVectorizer

WORDS, CHARACTERS = "words", "words and characters"
UNSPACED = re.compile(
    "(["
    "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
    "\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"  # Hangul
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1050-\u108f\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
    "]+)"
)


def analyzer_of(texts: Sequence[str]) -> str:
    """The analyzer that these texts need: `WORDS` (scikit-learn's own), or `CHARACTERS` where a script has no spaces.

    >>> analyzer_of(["blue mug"]), analyzer_of(["blue mug", "绿色钢笔"])
    ('words', 'words and characters')
    """
    return CHARACTERS if any(UNSPACED.search(text) for text in texts) else WORDS


@lru_cache
def word_analyzer(phrase_length: int) -> Callable[[str], list[str]]:
    """scikit-learn's analyzer: lower case, words of two signs or more, and phrases of up to `phrase_length` words."""
    return CountVectorizer(ngram_range=(1, phrase_length)).build_analyzer()


def words_and_characters(text: str, *, phrase_length: int = 1) -> list[str]:
    """Words and phrases as scikit-learn finds them, and of every run without spaces its characters and their pairs.

    >>> words_and_characters("Blue mug 绿色笔")
    ['blue', 'mug', '绿', '色', '笔', '绿色', '色笔']
    >>> words_and_characters("ที่")
    ['ที่']
    """
    found: list[str] = []
    for place, part in enumerate(UNSPACED.split(text)):
        found += _characters(part) if place % 2 else word_analyzer(phrase_length)(part)
    return found


def _characters(run: str) -> list[str]:
    """The characters of a run, each with the marks that follow it (Thai vowels and tones), and their pairs."""
    single: list[str] = []
    for sign in run:
        if single and category(sign).startswith("M"):
            single[-1] += sign
        else:
            single.append(sign)
    return single + [first + second for first, second in pairwise(single)]
