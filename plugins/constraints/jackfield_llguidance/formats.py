"""Values of ``format`` that are enforced, as patterns.

Each is exact or a little narrower than its standard, so that every text it lets through is valid to any checker: there
is no 30th of February, no leap second, no label of a host that looks like an encoded one.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


def _date() -> str:
    """RFC 3339 ``full-date`` of the years 1 to 9999, Gregorian."""
    year = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
    fourth = "(?:0[48]|[2468][048]|[13579][26])"
    leap = f"(?:[0-9]{{2}}{fourth}|{fourth}00)"
    month_31 = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    month_30 = "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    february = "02-(?:0[1-9]|1[0-9]|2[0-8])"
    return f"(?:{year}-(?:{month_31}|{month_30}|{february})|{leap}-02-29)"


def _duration() -> str:
    """RFC 3339, appendix A."""
    some = "[0-9]{1,9}"
    time = f"T(?:{some}H(?:{some}M(?:{some}S)?)?|{some}M(?:{some}S)?|{some}S)"
    date = f"(?:{some}D|{some}M(?:{some}D)?|{some}Y(?:{some}M(?:{some}D)?)?)"
    return f"P(?:{date}(?:{time})?|{time}|{some}W)"


def _ipv6() -> str:
    """RFC 4291, 2.2, without a dotted tail: all eight groups, or a ``::`` for one or more of them."""
    group = "[0-9a-fA-F]{1,4}"
    forms = [f"(?:{group}:){{7}}{group}"]
    for left in range(8):
        head = f"{group}(?::{group}){{{left - 1}}}" if left else ""
        tail = f"(?:{group}(?::{group}){{0,{6 - left}}})?" if left < 7 else ""  # noqa: PLR2004
        forms.append(f"{head}::{tail}")
    return f"(?:{'|'.join(forms)})"


def _uri() -> str:
    """RFC 3986 with an authority, or with a path that is not empty."""
    octet = "%[0-9a-fA-F]{2}"
    name = rf"(?:[a-zA-Z0-9._~!$&'()*+,;=\-]|{octet})"
    segment = rf"(?:[a-zA-Z0-9._~!$&'()*+,;=:@\-]|{octet})"
    rest = rf"(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?\-]|{octet})*"
    authority = f"//(?:(?:{name}|:)*@)?{name}+(?::[0-9]{{1,5}})?(?:/{segment}*)*"
    return rf"[a-zA-Z][a-zA-Z0-9+.\-]*:(?:{authority}|{segment}+(?:/{segment}*)*)(?:\?{rest})?(?:#{rest})?"


_TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+\-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LABEL: Final = r"[a-zA-Z0-9](?:-?[a-zA-Z0-9]){0,24}"
_HOSTNAME: Final = rf"{_LABEL}(?:\.{_LABEL}){{0,4}}"
_ATOM: Final = r"[a-zA-Z0-9!#$%&'*+/=?\^_`{|}~\-]"

FORMATS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "date": _date(),
        "date-time": f"{_date()}T{_TIME}",
        "duration": _duration(),
        "email": rf"{_ATOM}(?:\.?{_ATOM}){{0,31}}@{_HOSTNAME}",
        "hostname": _HOSTNAME,
        "ipv4": rf"(?:{_OCTET}\.){{3}}{_OCTET}",
        "ipv6": _ipv6(),
        "json-pointer": "(?:/(?:[^/~]|~[01])*)*",
        "time": _TIME,
        "uri": _uri(),
        "uuid": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    }
)
"""By name; each matches the whole text."""
