"""Check digits, by which numbers are told from other digits.

Sources: ISO/IEC 7812-1 (Luhn), ISO 13616 (IBAN, mod 97-10 of ISO/IEC 7064), ISO/IEC 7064 mod 11,10 (German tax number),
Verhoeff 1969 (Aadhaar), INSEE (NIR), the Spanish Ministry of the Interior (DNI), Receita Federal (CPF), the US Social
Security Administration and HMRC for numbers that are never given out.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import Final

IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SD": 18,
    "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22,
    "VG": 24, "XK": 20,
}  # fmt: skip
"""Characters of an IBAN by country; of the registry of ISO 13616."""

_NIR_CORSICA: Final = {"2A": "19", "2B": "18"}
_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_DNI_FOREIGN: Final = {"X": "0", "Y": "1", "Z": "2"}
_NINO_NEVER: Final = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})


def digits(text: str) -> str:
    """The ASCII digits of *text*."""
    return "".join(character for character in text if "0" <= character <= "9")


def luhn(number: str) -> bool:
    """Whether the last digit is right."""
    total = 0
    for place, character in enumerate(reversed(number)):
        value = int(character) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the sum of its two digits
    return total % 10 == 0


def card(text: str) -> bool:
    """A payment card: of a network's range, and with the right last digit."""
    number = digits(text)
    return 13 <= len(number) <= 19 and number[0] in "23456" and len(set(number)) > 1 and luhn(number)  # noqa: PLR2004


def iban_length(text: str) -> int:
    """Characters of *text* that are an IBAN at its begin; 0 where none is."""
    wanted = IBAN_LENGTHS.get(text[:2].upper(), 0)
    end = next((end for end in range(wanted, len(text) + 1) if len(text[:end].replace(" ", "")) == wanted), 0)
    if not wanted or not end or text[end : end + 1].isalnum():
        return 0
    taken = text[:end].replace(" ", "")
    value = int("".join(str(int(each, 36)) for each in taken[4:] + taken[:4]))
    return end if value % 97 == 1 else 0


def phone(text: str) -> bool:
    """So many digits as numbers with a country code have (E.164)."""
    return 8 <= len(digits(text).removeprefix("00")) <= 15  # noqa: PLR2004


def address(text: str) -> bool:
    """An IP address that leads somewhere."""
    try:
        return not ip_address(text).is_unspecified
    except ValueError:
        return False


def us_ssn(text: str) -> bool:
    """A social security number that may have been given out."""
    area, group, serial = text.split("-")
    return area not in {"000", "666"} and area[0] != "9" and group != "00" and serial != "0000"


def uk_nino(text: str) -> bool:
    """A national insurance number with a prefix that is given out."""
    return text[:2].upper() not in _NINO_NEVER


def de_steuer_id(text: str) -> bool:
    """A tax identification number: one digit twice or three times among the first ten, and the check digit."""
    number = digits(text)
    counts = Counter(number[:10])
    if len(number) != 11 or number[0] == "0" or max(counts.values()) > 3 or len(counts) > 9:  # noqa: PLR2004
        return False
    product = 10
    for character in number[:10]:
        total = (int(character) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(number[10])


def fr_nir(text: str) -> bool:
    """A number of the national register, by its key."""
    number = "".join(text.split()).upper()
    department = number[5:7]
    body = number[:5] + _NIR_CORSICA.get(department, department) + number[7:13]
    return 97 - int(body) % 97 == int(number[13:15])


def es_dni(text: str) -> bool:
    """An identity number, of citizens or of others, by its letter."""
    plain = text.replace("-", "").upper()
    number = _DNI_FOREIGN.get(plain[0], plain[0]) + plain[1:-1]
    return plain[-1] == _DNI_LETTERS[int(number) % 23]


def in_aadhaar(text: str) -> bool:
    """An Aadhaar number, by Verhoeff's check digit."""
    check = 0
    for place, character in enumerate(reversed(digits(text))):
        check = _dihedral(check, _permuted(place, int(character)))
    return check == 0


def br_cpf(text: str) -> bool:
    """A taxpayer's number, by its two check digits."""
    number = digits(text)
    if len(set(number)) == 1:
        return False
    for known in (9, 10):
        total = sum(int(number[place]) * (known + 1 - place) for place in range(known))
        if total * 10 % 11 % 10 != int(number[known]):
            return False
    return True


def _dihedral(left: int, right: int) -> int:
    """The product in the dihedral group of order 10, as Verhoeff numbers it."""
    if left < 5:  # noqa: PLR2004 - five rotations, five reflections
        return (left + right) % 5 if right < 5 else (left + right - 5) % 5 + 5  # noqa: PLR2004
    return (left - 5 - right) % 5 + 5 if right < 5 else (left - right) % 5  # noqa: PLR2004


def _permuted(place: int, digit: int) -> int:
    """Verhoeff's permutation, *place* times."""
    for _ in range(place % 8):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit
