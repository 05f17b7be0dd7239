"""Words of a text; in scripts without spaces, its characters and pairs of neighbouring characters.

Chinese, Japanese, Thai, Lao, Khmer and Burmese put no spaces between words, so scikit-learn's pattern reads a whole
sentence as one word that no other text shares. Korean has spaces, but particles are attached to its words, so it is
read by characters as well. Source: Lucene's CJKBigramFilter (pairs); single characters are added here.
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


def choose_analyzer(texts: Sequence[str]) -> str:
    """Return `WORDS` (scikit-learn's analyzer), or `CHARACTERS` if a text has a script without spaces.

    >>> choose_analyzer(["blue mug"]), choose_analyzer(["blue mug", "绿色钢笔"])
    ('words', 'words and characters')
    """
    return CHARACTERS if any(UNSPACED.search(text) for text in texts) else WORDS


@lru_cache
def word_analyzer(phrase_length: int) -> Callable[[str], list[str]]:
    """Return scikit-learn's analyzer: lower case, words of at least two characters, phrases up to `phrase_length`."""
    return CountVectorizer(ngram_range=(1, phrase_length)).build_analyzer()


def words_and_characters(text: str, *, phrase_length: int = 1) -> list[str]:
    """Split a text as scikit-learn does, and every run of a script without spaces into characters and their pairs.

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
    """Return the characters of a run, each with the marks that follow it (Thai vowels and tones), and their pairs."""
    single: list[str] = []
    for character in run:
        if single and category(character).startswith("M"):
            single[-1] += character
        else:
            single.append(character)
    return single + [first + second for first, second in pairwise(single)]
