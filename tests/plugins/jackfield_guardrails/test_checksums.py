"""Check digits: numbers that authorities publish as examples are good, and any other last digit is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield_guardrails import checksums

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = [
    (checksums.card, "4111 1111 1111 1111"),
    (checksums.card, "378282246310005"),
    (checksums.card, "5555-5555-5555-4444"),
    (checksums.card, "6011111111111117"),
    (checksums.iban_length, "DE89370400440532013000"),
    (checksums.iban_length, "GB82WEST12345698765432"),
    (checksums.iban_length, "FR1420041010050500013M02606"),
    (checksums.iban_length, "NO9386011117947"),
    (checksums.iban_length, "MT84MALT011000012345MTLCAST001S"),
    (checksums.de_steuer_id, "86095742719"),
    (checksums.de_steuer_id, "65929970489"),
    (checksums.fr_nir, "2 55 08 14 168 025 38"),
    (checksums.es_dni, "12345678Z"),
    (checksums.es_dni, "X1234567L"),
    (checksums.in_aadhaar, "2341 2341 2346"),
    (checksums.br_cpf, "529.982.247-25"),
    (checksums.br_cpf, "111.444.777-35"),
]


@pytest.mark.parametrize(("check", "number"), GOOD)
def test_good_numbers_are_good(check: Callable[[str], int], number: str) -> None:
    """As their issuers publish them."""
    assert check(number)


@pytest.mark.parametrize(("check", "number"), [(check, number) for check, number in GOOD if number[-1].isdigit()])
def test_another_last_digit_is_not(check: Callable[[str], int], number: str) -> None:
    """One wrong digit is always noticed."""
    others = [number[:-1] + digit for digit in "0123456789" if digit != number[-1]]
    assert [other for other in others if check(other)] == []


@pytest.mark.parametrize(
    ("check", "number"),
    [
        (checksums.card, "0000 0000 0000 0000"),
        (checksums.card, "9111111111111111"),
        (checksums.iban_length, "DE8937040044053201300"),
        (checksums.iban_length, "XX89370400440532013000"),
        (checksums.iban_length, ""),
        (checksums.us_ssn, "000-12-3456"),
        (checksums.us_ssn, "666-12-3456"),
        (checksums.us_ssn, "900-12-3456"),
        (checksums.us_ssn, "123-00-3456"),
        (checksums.us_ssn, "123-45-0000"),
        (checksums.uk_nino, "GB123456A"),
        (checksums.es_dni, "12345678A"),
        (checksums.br_cpf, "111.111.111-11"),
        (checksums.phone, "+12 345"),
        (checksums.address, "999.1.1.1"),
        (checksums.address, "0.0.0.0"),
    ],
)
def test_numbers_that_nobody_has(check: Callable[[str], int], number: str) -> None:
    """Never given out, or too short."""
    assert not check(number)


def test_an_iban_ends_where_its_country_says() -> None:
    """What follows is another word."""
    assert checksums.iban_length("DE89 3704 0044 0532 0130 00 and") == len("DE89 3704 0044 0532 0130 00")
    assert checksums.iban_length("DE89 3704 0044 0532 0130 00and") == 0
