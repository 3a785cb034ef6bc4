#!/usr/bin/env python3
"""Writes lines.txt, vocab.txt and wordpiece_ids.txt beside itself; ../README.md tells the rest.

The ids come from BERT's definition of WordPiece, written down here once more with Python's
unicodedata, and with nothing of what the C++ does. With a vocab.txt as argument it prints
the ids by that one instead:  make.py [VOCAB [LINES]]
"""
import collections
import pathlib
import random
import sys
import unicodedata

HERE = pathlib.Path(__file__).parent
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
IDEOGRAPHS = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
              (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]

WORDS = r"""
The quick brown foxes' don't e.g. U.S.A. naïve CAFÉ Ångström Straße STRASSE ẞ İstanbul DIYARBAKIR
ıSPARTA ΟΔΥΣΣΕΥΣ Σίσυφος ὈΔΥΣΣΕΎΣ ᾼδης Москва ЁЛКА йод Київ ҐАНОК العَرَبِيَّة مرحبا ١٢٣ עִבְרִית שלום
हिन्दी क्षेत्र தமிழ் ไทยคำ ひらがな がぎぐ カタカナ ｶﾞｷﾞ 한국어 한글 中文 漢字 日本語 𠀀𪜀 豈 🏳️‍🌈 👩🏽‍🚀 👨‍👩‍👧
👍🏿 ☕️ ❤️ 🇩🇪 co­operate ﬁnance ﬂow eﬃcient ＦＵＬＬ ｗｉｄｔｈ １２３ ！？ ǅ ŉ ΐ և ﬗ … — ‘quote’ “double”
«guillemets» „low“ $100 €5 50% 3.14 1,000 http://x.org/a_b?c=d&e#f me@x.io C++ #tag ~tilde
^caret `tick` \back |pipe {brace} [bracket] [MASK] <angle> (paren) ½ ² ₂ Ⅳ ⅳ Ⓐ ™ ° × ≠ → ■ ♫
unaffable ##ing ## # _ _under_ word-for-word Å Ω K
""".split() + ["\u037e", "\u1fef", "\u212a", "\u212b"]
MARKS = "\u0300\u0301\u0307\u0308\u0323\u0327\u0345\u0488\u05b0\u064b\u093c\u093f\u094d\u20dd\u302e\u3099\ufe0f"
CONTROLS = "\x01\x07\x0b\x0c\x1f\x7f\x85\u00ad\u061c\u180e\u200b\u200d\u200e\u2060\ufeff\ufffd\U000e0041"
SPACES = "  \t\u00a0\u1680\u2003\u2007\u2009\u2028\u2029\u202f\u205f\u3000"
PUNCTUATION = ".,;:!?-'\"()[]{}…—«»¿¡、。・؟।〈〉＆§¶†‰"
SIGMAS = ["Σ", "ΑΣ", "ΣΑ", "ΑΣ.", "Α.Σ", "ΑΣ.Β", "ΑΣ\u0301", "ΑΣ\u00adΒ", "Α\u0345Σ", "ΑʰΣ", "ΑΣʰ", "1Σ",
          "ΑΣ1", "Α'Σ'", "ΑΣ’Α", "ⅣΣ", "ⒶΣ", "ªΣ", "ΑΣⅣ", "中Σ", "ΑΣ中Α", "ΑΣ\u2028Α", "ΑΣ\u200bΑ"]
ODD = ["\ue000", "\U000f0000", "a\ue000b", "\u1680a"]


def make_lines():
    rng = random.Random(1)
    pools = [list(MARKS), list(CONTROLS), list(SPACES), list(PUNCTUATION), SIGMAS, ODD, WORDS]
    lines = WORDS + SIGMAS + ["", " ", "\t", "\u2028", "\u00ad"]
    for length in (99, 100, 101, 199, 200, 201):
        lines += [unit * length for unit in ("a", "é", "e\u0301", "ß")]
        lines += ["中" * length, "x-" * length, "İ" * length + " tail"]
    for _ in range(220):
        pool = rng.choice(pools)
        parts = [rng.choice([rng.choice(WORDS) + " ", rng.choice(pool), rng.choice(pool), "abc", " "])
                 for _ in range(rng.randint(2, 12))]
        lines.append("".join(parts))
    return lines


def is_space(char):
    return char in " \t\n\r" or unicodedata.category(char) == "Zs"


def is_dropped(char):
    return char in "\0\ufffd" or (not is_space(char) and unicodedata.category(char) in ("Cc", "Cf"))


def is_punctuation(char):
    marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    return char in marks or unicodedata.category(char).startswith("P")


def is_ideograph(char):
    return any(first <= ord(char) <= last for first, last in IDEOGRAPHS)


def words_of(text):
    text = "".join(" " if is_space(char) else char for char in text if not is_dropped(char))
    text = "".join(f" {char} " if is_ideograph(char) else char for char in text)
    words = []
    for token in text.split():  # at U+2028 and U+2029, too
        plain = unicodedata.normalize("NFD", token.lower())
        plain = (char for char in plain if unicodedata.category(char) != "Mn")
        parted = (f" {char} " if is_punctuation(char) else char for char in plain)
        words += "".join(parted).split()
    return words


def ids_of(text, ids, longest=100):
    result = []
    for word in words_of(text):
        begin, found = 0, []
        while begin < len(word) and len(word) <= longest:
            prefix = "##" if begin else ""
            ends = (end for end in range(len(word), begin, -1) if prefix + word[begin:end] in ids)
            end = next(ends, None)
            if end is None:
                break
            found.append(ids[prefix + word[begin:end]])
            begin = end
        result += found if begin == len(word) else [ids["[UNK]"]]
    return result


def make_vocabulary(lines):
    """Most of the single characters, and the most frequent beginnings and ends of words."""
    words = [word for line in lines for word in words_of(line)]
    singles = sorted({char for word in words for char in word if ord(char) < 0x1F000})
    singles = [char for i, char in enumerate(singles) if i % 17 != 5]
    parts = collections.Counter()
    for word in words:
        parts.update(word[:size] for size in range(2, min(len(word), 7) + 1))
        parts.update("##" + word[-size:] for size in range(2, min(len(word) - 1, 7) + 1))
    frequent = sorted(parts, key=lambda part: (-parts[part], part))[:300]
    pieces = SPECIALS + singles + ["##" + char for char in singles] + frequent
    return list(dict.fromkeys(pieces))


def write(name, lines):
    (HERE / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")


def print_ids(vocab, lines):
    with open(vocab, encoding="utf-8", newline="\n") as file:
        ids = {piece.rstrip("\n"): number for number, piece in enumerate(file)}
    with open(lines, encoding="utf-8", newline="\n") as file:
        for line in file:
            print(*ids_of(line[:-1], ids))


def main():
    if len(sys.argv) > 1:
        print_ids(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else HERE / "lines.txt")
        return
    lines = make_lines()
    vocabulary = make_vocabulary(lines)
    ids = {piece: number for number, piece in enumerate(vocabulary)}
    write("lines.txt", lines)
    write("vocab.txt", vocabulary)
    write("wordpiece_ids.txt", (" ".join(map(str, ids_of(line, ids))) for line in lines))


main()
