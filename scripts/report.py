# SPDX-License-Identifier: GPL-2.0-only
"""What a script prints that counts checks itself: `ok` and `not ok` lines, and last
`N passed, N failed[, N skipped]`, as stages.py wants it."""

results = []                                # True, False, or None for one skipped


def report(ok, name, details=()):
    """One check, and lines that say more of it."""
    results.append(bool(ok))
    print(f"{'ok' if ok else 'not ok'} {len(results)} - {name}")
    for line in "\n".join(details).split("\n") if details else ():
        print(f"#   {line}")


def skip(name, why):
    """One check that can't be made here."""
    results.append(None)
    print(f"ok {len(results)} - {name} # SKIP {why}")


def close():
    """Print the last line; return the exit status."""
    failed, skipped = results.count(False), results.count(None)
    print(f"{results.count(True)} passed, {failed} failed"
          + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0
