"""A font of a few characters, each a square: for names in scripts that no machine can be trusted to have a font of."""

from struct import pack

UNITS = 1_000
_SQUARE = pack(">5h2H4B8hxx", 1, 0, 0, 800, 800, 3, 0, 1, 1, 1, 1, *(0, 800, 0, -800), *(0, 0, 800, 0))


def tiny_font(family: str, characters: str) -> bytes:
    """A TrueType font with these characters and a blank."""
    known = sorted({*characters, " "})
    glyphs = [b"", *(b"" if one == " " else _SQUARE for one in known)]
    count, places = len(glyphs), [sum(map(len, glyphs[:place])) for place in range(len(glyphs) + 1)]
    return _file(
        {
            b"OS/2": pack(">4H12h10B4L", 0, 500, 400, 5, *[0] * 26)
            + pack(">4s3H3h2H", b"TEST", 64, 32, 0xFFFF, 800, -200, 0, 800, 200),
            b"cmap": _cmap(known),
            b"glyf": b"".join(glyphs),
            b"head": pack(">6L", 0x10000, 0x10000, 0, 0x5F0F3CF5, 0, 0)[:16]
            + pack(">2H2q4h2H3h", 0, UNITS, 0, 0, 0, 0, 800, 800, 0, 8, 2, 1, 0),
            b"hhea": pack(">L3hH11hH", 0x10000, 800, -200, 0, 900, *[0] * 3, 1, *[0] * 7, count),
            b"hmtx": pack(">Hh", 900, 0) * count,
            b"loca": pack(f">{len(places)}L", *places),
            b"maxp": pack(">L14H", 0x10000, count, 4, 1, *[0] * 2, 1, *[0] * 8),
            b"name": _names(family),
            b"post": pack(">2L2h5L", 0x30000, 0, -100, 50, 0, 0, 0, 0, 0),
        }
    )


def _cmap(known: list[str]) -> bytes:
    groups = b"".join(pack(">3L", ord(one), ord(one), place) for place, one in enumerate(known, 1))
    return pack(">2H2HL", 0, 1, 3, 10, 12) + pack(">2H3L", 12, 0, 16 + len(groups), 0, len(known)) + groups


def _names(family: str) -> bytes:
    told = {1: family, 2: "Regular", 4: family, 6: family.replace(" ", "")}
    records, texts = b"", b""
    for number, text in told.items():
        encoded = text.encode("utf-16-be")
        records += pack(">6H", 3, 1, 0x409, number, len(encoded), len(texts))
        texts += encoded
    return pack(">3H", 0, len(told), 6 + len(records)) + records + texts


def _file(tables: dict[bytes, bytes]) -> bytes:
    at, entries, content = 12 + 16 * len(tables), b"", b""
    for tag, data in sorted(tables.items()):
        padded = data + bytes(-len(data) % 4)
        entries += pack(">4s3L", tag, _sum(padded), at + len(content), len(data))
        content += padded
    return pack(">L4H", 0x10000, len(tables), 128, 3, 16 * len(tables) - 128) + entries + content


def _sum(padded: bytes) -> int:
    return sum(int.from_bytes(padded[place : place + 4], "big") for place in range(0, len(padded), 4)) & 0xFFFFFFFF
