"""The canonical form of JSON, written a second time: what the tests compare with.

Reads a file of texts, each behind its length (4 bytes, big-endian); writes for each, in the same
manner, its canonical form, or the length FFFFFFFF where the text is refused.
"""

import json
import re
import sys

sys.set_int_max_str_digits(0)
sys.setrecursionlimit(20_000)
NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?\Z", re.ASCII)
ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


class Number(str):
    pass


class Members(list):
    pass


def refuse(word):
    raise ValueError(word)


def number(text):
    sign, whole, fraction, exponent = NUMBER.match(text).groups()
    digits = whole + (fraction or "")
    scale = int(exponent or "0") - len(fraction or "")
    digits = digits.lstrip("0")
    kept = digits.rstrip("0")
    scale += len(digits) - len(kept)
    if not kept:
        return "0"
    if 0 <= scale <= 20:
        return sign + kept + "0" * scale
    if -len(kept) < scale < 0:
        return sign + kept[:scale] + "." + kept[scale:]
    if scale < 0 and -scale - len(kept) <= 5:
        return sign + "0." + "0" * (-scale - len(kept)) + kept
    fraction = "." + kept[1:] if len(kept) > 1 else ""
    return sign + kept[0] + fraction + "e" + str(scale + len(kept) - 1)


def string(text):
    out = []
    for c in text:
        if c in ESCAPES:
            out.append(ESCAPES[c])
        elif c < " " or "\ud800" <= c <= "\udfff":
            out.append("\\u%04x" % ord(c))
        else:
            out.append(c)
    return '"' + "".join(out) + '"'


def canonical(value):
    if isinstance(value, Number):
        return number(value)
    if isinstance(value, str):
        return string(value)
    if isinstance(value, Members):
        members = sorted(value, key=lambda pair: pair[0].encode("utf-8", "surrogatepass"))
        return "{" + ",".join(string(k) + ":" + canonical(v) for k, v in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return {True: "true", False: "false", None: "null"}[value]


def answer(text):
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=Members, parse_int=Number,
            parse_float=Number, parse_constant=refuse)
    except ValueError:
        return b"\xff\xff\xff\xff"
    out = canonical(value).encode("utf-8")
    return len(out).to_bytes(4, "big") + out


def main():
    with open(sys.argv[1], "rb") as source:
        while head := source.read(4):
            sys.stdout.buffer.write(answer(source.read(int.from_bytes(head, "big"))))


main()
