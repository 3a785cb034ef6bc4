#!/usr/bin/env python3
"""Writes lines.txt beside itself; ../README.md says how the ids were made."""
import pathlib
import random

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


text = "".join(line + "\n" for line in make_lines())
(pathlib.Path(__file__).parent / "lines.txt").write_text(text, encoding="utf-8", newline="")
