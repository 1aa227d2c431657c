"""Writes lib/http/charset_tables.h's tables as C, from Python's own codecs: what Unicode makes of each byte, pair and triple.
Where a charset has several codecs the first one that knows a pair is right. Usage: charset_tables.py OUT"""
import sys

SINGLE = [("ISO_8859_2", "iso8859-2"), ("ISO_8859_9", "iso8859-9"), ("ISO_8859_15", "iso8859-15"),
          ("WINDOWS_1250", "cp1250"), ("WINDOWS_1251", "cp1251"), ("WINDOWS_1252", "cp1252")]
MULTIPLE = [("SHIFT_JIS", ["shift_jis", "cp932"]), ("EUC_JP", ["euc_jp"]), ("GBK", ["gbk"]),
            ("BIG5", ["big5", "cp950", "big5hkscs"]), ("EUC_KR", ["cp949"])]
EUC_JP_THIRD = 0x8F  # what three bytes of EUC-JP begin with


def code(codecs, encoded):
    """The character that the bytes are; 0: none, or not one alone of the first plane."""
    for codec in codecs:
        try:
            text = encoded.decode(codec)
        except UnicodeDecodeError:
            continue
        if len(text) == 1 and ord(text) < 0x10000:
            return ord(text)
    return 0


def array(name, values):
    lines = [", ".join(map(str, values[i:i + 24])) for i in range(0, len(values), 24)]
    return f"static const uint16_t {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def main():
    out, rows = ['#include "http/charset_tables.h"\n'], []
    for name, codec in SINGLE:
        out.append(array(f"{name}_singles", [code([codec], bytes([b])) for b in range(0x80, 0x100)]))
        rows.append(f"[TABLE_{name}] = {{.singles = {name}_singles}}")
    for name, codecs in MULTIPLE:
        singles = [code(codecs[:1], bytes([b])) for b in range(0x80, 0x100)]
        pairs = {(a, b): value for a in range(0x81, 0xFF) if not singles[a - 0x80] for b in range(0x40, 0xFF)
                 if (value := code(codecs, bytes([a, b])))}
        leads, trails = [a for a, _ in pairs], [b for _, b in pairs]
        span = [(a, b) for a in range(min(leads), max(leads) + 1) for b in range(min(trails), max(trails) + 1)]
        out += [array(f"{name}_singles", singles), array(f"{name}_pairs", [pairs.get(one, 0) for one in span])]
        triples = "NULL"
        if name == "EUC_JP":
            triples = f"{name}_triples"
            out.append(array(triples, [code(codecs, bytes([EUC_JP_THIRD, a, b])) for a in range(0xA1, 0xFF) for b in range(0xA1, 0xFF)]))
        rows.append(f"[TABLE_{name}] = {{.singles = {name}_singles, .pairs = {name}_pairs, .triples = {triples}, .lead_first = {min(leads)}, "
                    f".lead_last = {max(leads)}, .trail_first = {min(trails)}, .trail_last = {max(trails)}}}")
    out.append("const struct charset_table charset_tables[CHARSET_TABLES] = {\n" + ",\n".join(rows) + "};\n")
    with open(sys.argv[1], "w", encoding="ascii") as file:
        file.write("".join(out))


main()
