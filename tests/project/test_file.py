"""Loading prefect.yaml and telling all that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from duckherd.errors import ProjectError
from duckherd.project import Project, load

GOOD = """\
definitions:
  parameters: &parameters
    source: postgresql://me:${env:PW}@db/shop
    lake: s3://raw/shop?region=eu-central-1&secret_access_key=${env:KEY}
  base: &base
    entrypoint: duckherd.flow.ingest_table
    work_pool: {name: herd}
    tags: [shop, "owner:sales"]
deployments:
  - <<: *base
    name: shop.sales.orders
    parameters:
      <<: *parameters
      table: sales.orders
"""


def _one(extra: str = "", parameters: str = "") -> str:
    """A file with one deployment; the extra lines stand in lines 4 and 8."""
    return f"""\
deployments:
  - name: shop.a.b
    entrypoint: duckherd.flow.ingest_table
    {extra or "work_pool: {name: herd}"}
    parameters:
      table: a.b
      source: postgresql://db/shop
      {parameters or "lake: s3://raw"}
{"      lake: s3://raw" if parameters and not parameters.startswith("lake") else ""}
"""


def test_anchors_and_merges_are_resolved(project: Callable[[str], Project]) -> None:
    """An entry holds what its merges bring, and what it overrides."""
    (entry,) = project(GOOD).tables
    assert (entry.name, entry.table, entry.position.line) == (
        "shop.sales.orders", "sales.orders", 10
    )  # fmt: skip
    assert entry.tags == ("shop", "owner:sales")
    assert entry.ingest().lake.startswith("s3://raw/shop?")


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        (
            _one("work_pol: {name: herd}"),
            4,
            5,
            "unknown key 'work_pol'\n  hint: did you mean 'work_pool'?",
        ),
        (
            _one("work_pool: {nam: herd}"),
            4,
            17,
            "unknown key 'nam' of 'work_pool'\n  hint: did you mean 'name'?",
        ),
        (_one("schedules: [{corn: '* * * * *'}]"), 4, 18, "unknown key 'corn' of 'schedules[0]'"),
        (_one("schedules: [{cron: '* * * *'}]"), 4, 24, "'* * * *' is not a cron expression"),
        (_one("schedules: [{cron: '0 0 30 2 *'}]"), 4, 24, "is not a cron expression"),
        (
            _one("schedules: [{cron: '* * * * *', interval: 60}]"),
            4,
            17,
            "exactly one of cron, interval and rrule",
        ),
        (_one("schedules: [{interval: 0}]"), 4, 28, "longer than 0 seconds"),
        (_one("schedules: [{rrule: nonsense}]"), 4, 25, "is not an RRULE"),
        (
            _one("schedules: [{cron: '* * * * *', timezone: Mars/Olympus}]"),
            4,
            47,
            "no IANA time zone",
        ),
        (
            _one("concurrency_limit: {limit: 1, strategy: X}"),
            4,
            35,
            "unknown key 'strategy' of 'concurrency_limit'",
        ),
        (
            _one("concurrency_limit: {limit: 1, collision_strategy: DROP}"),
            4,
            55,
            "must be 'ENQUEUE' or 'CANCEL_NEW'",
        ),
        (_one("concurrency_limit: 0"), 4, 24, "greater than or equal to 1"),
        (_one("tags: {a: 1}"), 4, 11, "tags must be a list"),
        (_one(parameters="mode: merg"), 8, 13, "mode must be 'replace', 'append' or 'merge'"),
        (_one(parameters="mode: merge"), 6, 7, "mode merge needs format: delta"),
        (
            _one(parameters="chekcs: []"),
            8,
            7,
            "unknown key 'chekcs'\n  hint: did you mean 'checks'?",
        ),
        (
            _one(parameters="columns: {ID: {renam: x}}"),
            8,
            22,
            "unknown key 'renam' of 'columns.ID'",
        ),
        (
            _one(parameters="checks: [{not_nul: id}]"),
            8,
            16,
            "there is no check 'not_nul'; did you mean 'not_null'?",
        ),
        (_one(parameters="objective: {deadline: '6'}"), 8, 29, "deadline"),
        (_one(parameters="lake: gopher://x"), 8, 13, "gopher:// is no lake"),
        (_one(parameters="lake: out"), 8, 13, "is a relative path"),
        (_one(parameters="lake: s3://raw?regoin=x"), 8, 13, "'regoin' is no option"),
        ("deployments:\n  - entrypoint: x.y\n", 2, 5, "deployment has no name"),
        ("deployments:\n  - name: x\n", 2, 5, "deployment 'x' has no entrypoint"),
        ("deployments: 3\n", 1, 14, "deployments must be a list"),
        ("deployments:\n  - 3\n", 2, 5, "a deployment must be a mapping"),
        ("deployment: []\n", 1, 1, "unknown key 'deployment'\n  hint: did you mean 'deployments'?"),
        ("deployments:\n  - {name: a/b, entrypoint: x.y}\n", 2, 12, "must not hold any of"),
    ],
)
def test_a_mistake_is_named_where_it_stands(
    text: str, line: int, column: int, message: str, write: Callable[[str], Path]
) -> None:
    """Typos and wrong values, which Prefect ignores, are errors with line, column and way out."""
    with pytest.raises(ProjectError) as caught:
        load(write(text))
    assert message in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("key", "url", "named"),
    [
        ("source", "postgresql://me:hunter2@db/shop", "the password"),
        ("source", "postgresql://me@db/shop?password=hunter2", "the value of 'password'"),
        ("lake", "s3://raw?secret_access_key=hunter2", "the value of 'secret_access_key'"),
        ("lake", "az://raw?account_name=a&account_key=hunter2", "the value of 'account_key'"),
        ("lake", "gs://raw?service_account_key=hunter2", "the value of 'service_account_key'"),
    ],
)
def test_a_secret_in_plain_text_is_refused(
    key: str, url: str, named: str, write: Callable[[str], Path]
) -> None:
    """A spelled-out secret is refused with the way out, and is not repeated in the message."""
    text = GOOD.replace("table: sales.orders", f"table: sales.orders\n      {key}: {url}")
    with pytest.raises(ProjectError) as caught:
        load(write(text))
    assert f"{key} spells out {named}" in str(caught.value)
    assert "${env:NAME}" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_broken_reference_is_named(write: Callable[[str], Path]) -> None:
    """An unknown provider is an error of the file, not of the run at night."""
    with pytest.raises(ProjectError, match=r"did you mean \$\{env:PW\}\?"):
        load(write(GOOD.replace("${env:PW}", "${evn:PW}")))


def test_all_problems_are_told_at_once(write: Callable[[str], Path]) -> None:
    """One message lists every problem, in the order of the lines."""
    text = _one("work_pol: {name: herd}", "chekcs: []")
    with pytest.raises(ProjectError) as caught:
        load(write(text + "  - {name: x}\n"))
    lines = [line for line in str(caught.value).splitlines() if "deployment" in line]
    assert ["unknown key 'work_pol'" in lines[0], "no entrypoint" in lines[1]] == [True, True]


def test_a_problem_of_an_anchor_is_told_once(write: Callable[[str], Path]) -> None:
    """Hundreds of deployments that share a mistake make one line."""
    second = GOOD[GOOD.index("  - <<") :].replace("orders", "customers")
    text = (GOOD + second).replace("work_pool: {name", "work_pool: {nmae")
    with pytest.raises(ProjectError, match=r"deployment 'shop\.sales\.orders' and 1 other:"):
        load(write(text))


def test_two_deployments_of_one_name_are_refused(write: Callable[[str], Path]) -> None:
    """The second would silently replace the first."""
    with pytest.raises(ProjectError, match=r":15:5: .*there twice \(first in line 10\)"):
        load(write(GOOD + GOOD[GOOD.index("  - <<") :]))


def test_environment_templates_are_filled_in(
    project: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`{{ $NAME }}` is what the environment says, as for `prefect deploy`."""
    monkeypatch.setenv("DH_POOL", "blue")
    (entry,) = project(GOOD.replace("{name: herd}", '{name: "{{ $DH_POOL }}"}')).tables
    assert entry.config.work_pool is not None
    assert entry.config.work_pool.name == "blue"


def test_an_unset_template_is_an_error(write: Callable[[str], Path]) -> None:
    """Prefect would put an empty text in its place."""
    with pytest.raises(ProjectError, match="environment variable 'DH_NONE'"):
        load(write(GOOD.replace("{name: herd}", '{name: "{{ $DH_NONE }}"}')))


def test_a_secret_from_a_template_is_refused(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A template would write the password into the deployment for everybody to read."""
    monkeypatch.setenv("DH_PW", "hunter2")
    with pytest.raises(ProjectError, match="source spells out the password"):
        load(write(GOOD.replace("${env:PW}", "{{ $DH_PW }}")))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """Without a file the way out is `duckherd init`."""
    with pytest.raises(ProjectError, match="duckherd init"):
        load(tmp_path / "prefect.yaml")


def test_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    """A file in Latin-1 is no UTF-8."""
    path = tmp_path / "prefect.yaml"
    path.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ProjectError, match=r"prefect.yaml:2: is not UTF-8 text"):
        load(path)


def test_other_flows_are_left_alone(project: Callable[[str], Project]) -> None:
    """A deployment of another flow may have parameters of its own, but no unknown key."""
    loaded = project("deployments:\n  - {name: x, entrypoint: a.b, parameters: {any: 1}}\n")
    assert loaded.tables == ()
    assert loaded.entries[0].table is None
