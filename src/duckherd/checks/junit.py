"""Verdicts as JUnit XML, which CI servers read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from duckherd.checks.model import Verdict

_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(verdicts: Mapping[str, Sequence[Verdict]]) -> str:
    """One test suite a deployment, one test case a check.

    A blocking failure is a failure, a blocking check that could not be judged an error;
    what only warns passes and says so in `system-out`.
    """
    suites = ET.Element("testsuites", name="duckherd check")
    for name, found in verdicts.items():
        counts = {
            "tests": str(len(found)),
            "failures": str(sum(one.blocks and one.outcome == "fail" for one in found)),
            "errors": str(sum(one.blocks and one.outcome == "error" for one in found)),
            "skipped": str(sum(one.outcome == "skipped" for one in found)),
        }
        suite = ET.SubElement(suites, "testsuite", {"name": _text(name), **counts})
        for one in found:
            _case(suite, name, one)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True)


def _case(suite: ET.Element, table: str, verdict: Verdict) -> None:
    case = ET.SubElement(suite, "testcase", classname=_text(table), name=_text(verdict.name))
    told = f"{verdict.observed}; expected {verdict.expected}"
    if verdict.outcome == "skipped":
        ET.SubElement(case, "skipped", message=_text(verdict.observed))
    elif verdict.outcome != "pass":
        tag = {"fail": "failure", "error": "error"}[verdict.outcome]
        if verdict.blocks:
            problem = ET.SubElement(case, tag, message=_text(told), type=verdict.check)
            problem.text = _text(verdict.sql)
        else:
            ET.SubElement(case, "system-out").text = _text(f"warning: {told}")


def _text(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
