"""Cells that readers of payments have stumbled over, as text; `pick` draws one."""

from random import Random

_TIMES = (
    "", "never", "now", "2024-02-30T00:00:00Z", "1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "0000-00-00",
    "9999-12-31T23:59:59.999999999Z", "2024-01-01T24:00:00Z", "2024-01-01T10:00:00+99:99", "2024-01-01", "1704103200",
)  # fmt: skip
_NUMBERS = (
    "", "-1", "-0", "+1", "NaN", "nan", "inf", "-Infinity", "1e308", "1e999", "1.234,56", "1,234.56", "0x10", "1_000",
    "9" * 400, "0." + "0" * 300 + "1", "1e-400", ".5", "5.", "--1", "١٢٣", "12\u00a0000", "1 000",
)  # fmt: skip
_IDENTITIES = (
    "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "5500005555555559", "378282246310005",
    "::1", "192.0.2.1:99999", "[2001:db8::1]:443", "fe80::1%eth0", "010.0.0.1", "for=192.0.2.60;by=203.0.113.43",
    "1.2.3.4, 5.6.7.8", "ann@example.com", "+358 40 123 4567",
)  # fmt: skip
_TEXTS = (
    "=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "\t=1", "a\nb", "a\r\nb", "a\rb", '"', '""', '"quoted"', "a\0b", "\0",
    "\ufeff", "\ufdd0", "\ufffe", "\u2028", "\u0085", "\x0b", "\x1a", "\u202eevil", "e\u0301", "😀", "NULL",
    "null", "None", "N/A", "true", "' OR 1=1 --", "{}", "[]", "<b>", "&amp;", "../../etc/passwd", "%n%s",
    "\\N", "\\", "x" * 5_000,
)  # fmt: skip
VALUES = (*_TIMES, *_NUMBERS, *_IDENTITIES, *_TEXTS)


def pick(rng: Random) -> str:
    """Draw a cell."""
    return rng.choice(VALUES)
