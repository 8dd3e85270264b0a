"""The page on causes and the closed list are one."""

from __future__ import annotations

import re

from unit_tests.test_docs import ROOT
from vmha.core.causes import Cause
from vmha.core.diagnosing import AT_ONCE, MOST_ASKED

PAGE = ROOT / "docs" / "operate" / "causes.md"


def test_the_page_has_every_cause_and_no_other() -> None:
    """Each cause has its row, in the order of the list, with its meaning, evidence and next step."""
    (table,) = re.findall(r"<!-- causes: begin -->\n(.*?)<!-- causes: end -->", PAGE.read_text(), re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert [row[0] for row in rows] == [f"`{cause.value}`" for cause in Cause]
    assert all(len(row) == 4 and all(row) for row in rows)


def test_the_page_says_the_bounds() -> None:
    """The numbers in its sentences are the code's."""
    words = " ".join(PAGE.read_text().split())
    assert f"at most {MOST_ASKED} instances are asked about, {'two' if AT_ONCE == 2 else AT_ONCE} at a time" in words
