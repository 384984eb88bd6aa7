# SPDX-License-Identifier: GPL-2.0-only
"""How a test fails."""

from vm import GuestError


def check(condition, text):
    """Fail the test with this text unless the condition holds."""
    if not condition:
        raise GuestError(text)


def shorten(text, limit=1000):
    """Cut a text that lists hundreds of extents."""
    return text if len(text) <= limit else f"{text[:limit]} ..."


def check_equal(found, expected, what):
    """Fail the test unless two values are equal."""
    check(found == expected, f"{what}: found {shorten(repr(found))}, "
                             f"expected {shorten(repr(expected))}")
