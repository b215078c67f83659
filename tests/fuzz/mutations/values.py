"""Numbers and texts that break assumptions."""

from __future__ import annotations

#: As whole numbers of up to 64 bits.
INTEGERS = (
    *(0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 255, 256, 257, 65535, 65536, 100_000, (1 << 20) + 1),
    *((1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
)
#: As they stand in text.
NUMBERS = (
    *(b"0", b"-1", b"1", b"2", b"3", b"255", b"256", b"65535", b"65536", b"1000000", b"1e308"),
    *(b"2147483647", b"2147483648", b"-2147483648", b"4294967296", b"9223372036854775808"),
    *(b"nan", b"inf", b"-inf", b"1e-320", b"-0.0", b"1e400", b"0x10", b"9" * 30, b"1_000"),
    *(b"", b"true", b"null", b'"x"', b"[]", b"{}", b"1.5", b"9" * 5000, b"1e-400", b"\xd9\xa3"),
)
#: Names that reach elsewhere, or that some system takes for something else.
NAMES = (
    *("", ".", "..", "../x", "/etc/passwd", "a/../../x", "C:\\x", "\\\\host\\x", "NUL", "con.png"),
    *("x" * 300, "a\0b", "\ud800", "%2e%2e/x", "file:///etc/passwd", "a\nb", "-rf", "~", "$HOME"),
    *("<script>alert(1)</script>", "'\"><img src=x>", "{0}", "%s%n", "ﬁle", "é", "\u202egnp"),
)
