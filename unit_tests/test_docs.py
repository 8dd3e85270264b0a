"""The documents tell the truth: what they name exists, their tables are the code's, their examples can be loaded.

`python -m unit_tests.test_docs` writes the tables of docs/operate/configuration.md anew from the options.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from vmha.adapters.db import schema
from vmha.adapters.db.records import OUTCOMES
from vmha.adapters.fencing.inventory import load_inventory
from vmha.api.routes import ROUTES
from vmha.cli import manage
from vmha.core.explain import Code
from vmha.core.model import Phase
from vmha.core.recovery import STEPS
from vmha.options import OPTIONS, Option
from vmha.settings import NEEDS, load
from vmha.sim.demo import CASES
from vmha.upstream import UPSTREAM, Fate

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "src" / "vmha"
CONFIGURATION = ROOT / "docs" / "operate" / "configuration.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

# Options that belong to libraries; the documents may name them.
FOREIGN_GROUPS = ("keystone_authtoken", "oslo_middleware", "oslo_policy", "oslo_messaging_rabbit", "cors")
FOREIGN_OPTIONS = {("database", "connection"), ("DEFAULT", "transport_url")}
# Words of Nova and upstream that no file of the service has.
FOREIGN_WORDS = {"reclaim_instance_interval", "resume_guests_state_on_host_boot"}
# What monitors say of instances.
EVENTS = {"LIFECYCLE", "STOPPED_FAILED", "IO_ERROR", "IO_ERROR_REPORT", "QEMU_GUEST_AGENT_ERROR"}
# Files of the operator.
OPERATORS_FILES = {"masakari.conf", "fencing.yaml", "policy.yaml", "api-paste.ini"}
# Options of the charm, and defaults of theirs, which look like names of the code.
CHARM_WORDS = {*yaml.safe_load((ROOT / "config.yaml").read_text())["options"], "RegionOne"}
# What comes with the charm, and may be named before it is there.
PLANNED = {"charmcraft.yaml", "metadata.yaml", "config.yaml", "actions.yaml", "templates", "actions"}

README_LINES = 150
ADR_LINES = 60
ADR_PARTS = ["Context", "Decision", "Consequences", "Alternatives"]


def label(path: Path) -> str:
    """Name a document in a test's id."""
    return str(path.relative_to(ROOT))


EVERY_DOCUMENT = pytest.mark.parametrize("path", DOCUMENTS, ids=label)


def prose(path: Path) -> str:
    """Return a document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def spans(path: Path) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`\n]+)`", prose(path))


def blocks(path: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def rows(path: Path, *, columns: int) -> list[list[str]]:
    """Return the rows of all tables with so many columns, without the lines between head and body."""
    found = []
    for line in prose(path).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == columns and set(line) - set("|-: "):
            found.append(cells)
    return found


@dataclass(slots=True)
class Names:
    """What the service's files define."""

    modules: dict[str, set[str]] = field(default_factory=dict)
    classes: dict[str, set[str]] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)

    def has(self, dotted: str) -> bool:
        """Tell whether this is a module, a name in a module, a member of a class, or a column of a table."""
        owner, _, name = dotted.rpartition(".")
        if any(module == dotted or module.endswith(f".{dotted}") for module in self.modules):
            return True
        if any(name in names for module, names in self.modules.items() if f".{module}".endswith(f".{owner}")):
            return True
        columns = schema.ours.tables[owner].columns if owner in schema.ours.tables else ()
        return name in self.classes.get(owner, ()) or name in columns


@cache
def names() -> Names:
    """Read every file of the service."""
    found = Names()
    for path in SERVICE.rglob("*.py"):
        text = path.read_text()
        tree = ast.parse(text)
        parts = path.relative_to(SERVICE.parent).with_suffix("").parts
        found.modules[".".join(parts)] = set(defined(tree.body))
        found.words |= set(re.findall(r"\w+", text))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.classes.setdefault(node.name, set()).update(defined(node.body))
            elif isinstance(node, ast.FunctionDef):
                found.functions.add(node.name)
    return found


def defined(body: list[ast.stmt]) -> Iterator[str]:
    """Yield what a module or a class defines at its top."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def is_path(span: str) -> bool:
    """Tell whether this looks like a path of the repository."""
    return bool(
        re.fullmatch(r"[\w.-]+/|[\w.-]+(/[\w.-]+)+/?", span)
        or re.fullmatch(r"[\w-]+\.(py|md|toml|txt|in|ini|yaml|conf)", span)
    )


def exists(path: str) -> bool:
    """Tell whether the repository has the path, from its top or from the service's folder."""
    name = path.rstrip("/")
    planned = name in PLANNED or name in OPERATORS_FILES
    return planned or any((top / name).exists() for top in (ROOT, SERVICE))


def is_known(span: str) -> bool:
    """Tell whether a name in backticks exists; what is no name is not asked about."""
    if is_path(span):
        return exists(span)
    if span in CHARM_WORDS:
        return True
    if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(\(\))?", span):
        return names().has(span.removesuffix("()"))
    if span.endswith("()"):
        return span.removesuffix("()") in names().functions
    if re.fullmatch(r"([A-Z][a-z0-9]+){2,}", span):
        return span in names().classes
    if re.fullmatch(r"[A-Z]{4,}|[A-Z]+(_[A-Z0-9]+)+", span):
        return span in EVENTS or any(span in members for members in names().classes.values())
    if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", span):
        return span in names().words | FOREIGN_WORDS or span in PLANNED
    return True


@EVERY_DOCUMENT
def test_every_name_exists(path: Path) -> None:
    """Every path, module, function, class, reason and column that a document names is in the repository."""
    unknown = sorted({span for span in spans(path) if not is_known(span)})
    assert not unknown


@EVERY_DOCUMENT
def test_every_link_leads_somewhere(path: Path) -> None:
    """Every link within the repository leads to a file or folder."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert not [link for link in links if not (path.parent / link).exists()]


@EVERY_DOCUMENT
def test_every_option_exists_with_that_default(path: Path) -> None:
    """Every option stands in options.py, and a default in brackets behind it is its default."""
    known = {(option.group, option.name): option.default for option in OPTIONS}
    named = re.findall(r"`\[(\w+)\] (\w+)`(?: \((\d+(?:\.\d+)?)(?: s| %)?\))?", prose(path))
    wrong = [
        (group, name, default)
        for group, name, default in named
        if group not in FOREIGN_GROUPS
        and (group, name) not in FOREIGN_OPTIONS
        and ((group, name) not in known or (default and float(default) != known[group, name]))
    ]
    assert not wrong


@EVERY_DOCUMENT
def test_every_command_exists(path: Path) -> None:
    """Every console script, verb of make, FAULT, and command of masakari-manage or the OpenStack client exists."""
    text = path.read_text()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    named = re.findall(r"(?:`|^    )(masakari-[a-z]+)", text, flags=re.MULTILINE)
    assert set(named) <= set(scripts)
    verbs = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(re.findall(r"(?:`|^    )make ([a-z-]+)", text, flags=re.MULTILINE)) <= set(verbs)
    assert set(re.findall(r"FAULT=([a-z-]+)", text)) <= set(CASES)
    assert set(re.findall(r"masakari-manage ([a-z]+ [a-z]+)", text)) <= manage_commands()
    asked = re.findall(r"openstack ((?:segment|notification)(?: [a-z]+)+)", text)
    assert {" ".join(words.split()) for words in asked} <= client_commands()


def manage_commands() -> set[str]:
    """Return every command of masakari-manage as its parser has it."""
    found: set[str] = set()
    waiting = [("", manage._parser())]
    while waiting:
        words, parser = waiting.pop()
        choices = [
            (f"{words} {name}".strip(), below)
            for action in parser._actions
            if isinstance(action, argparse._SubParsersAction)
            for name, below in action.choices.items()
        ]
        waiting += choices
        if not choices:
            found.add(words)
    return found


def client_commands() -> set[str]:
    """Return the commands that python-masakariclient adds to openstack."""
    return {entry.name.replace("_", " ") for entry in entry_points(group="openstack.ha.v1")}


def test_every_wait_is_in_the_glossary() -> None:
    """The entry of the word names each phase that stands until a human or a fact ends it, and no other."""
    (entry,) = (cells[1] for cells in rows(ROOT / "docs" / "glossary.md", columns=2) if cells[0] == "wait")
    assert set(re.split(r"\W+", entry.partition(":")[2])) - {""} == {phase.value for phase in Phase if phase.is_wait}


def test_the_table_of_verbs_is_complete() -> None:
    """The glossary's table has each route of v1, each command and each Juju action, and no other."""
    table = rows(ROOT / "docs" / "glossary.md", columns=4)[1:]
    routes = {cells[1].strip("`") for cells in table} - {"-"}
    assert routes == {f"{route.method} {route.path}" for route in ROUTES}
    commands = {cells[2].strip("`") for cells in table} - {"-"}
    known = {f"masakari-manage {words}" for words in manage_commands()}
    assert commands == known | {f"openstack {words}" for words in client_commands()}
    actions = {cells[3].strip("`") for cells in table} - {"-"}
    assert actions == set(yaml.safe_load((ROOT / "actions.yaml").read_text()))


def test_the_readme_shows_what_a_demo_says() -> None:
    """The README is short, names every FAULT, and the sentences of its demo are the service's."""
    readme = ROOT / "README.md"
    assert len(readme.read_text().splitlines()) <= README_LINES
    assert set(CASES) - {""} <= {span.rpartition("=")[2] for span in spans(readme)}
    sentences = [re.sub(r"\\\{\w+\\\}", ".+", re.escape(code.value)) for code in Code]
    shown = re.findall(r"^ +[\d.]+ s > (.*)$", readme.read_text(), flags=re.MULTILINE)
    assert shown
    assert not [line for line in shown if not any(re.fullmatch(sentence, line) for sentence in sentences)]


def test_architecture_has_the_phases_and_tables() -> None:
    """ARCHITECTURE.md names the function of each phase, every table, and the seconds of a takeover."""
    architecture = ROOT / "ARCHITECTURE.md"
    steps = {phase.value: f"`{step.__module__.rpartition('.')[2]}.{step.__name__}`" for phase, step in STEPS.items()}
    shown = {cells[0]: cells[1] for cells in rows(architecture, columns=4)}
    assert {phase: shown.get(phase) for phase in steps} == steps
    assert set(schema.ours.tables) | set(schema.upstream.tables) <= set(spans(architecture))
    default = {option.name: option.default for option in OPTIONS}
    terms = [default[name] for name in ("lease_seconds", "order_seconds", "takeover_margin_seconds")]
    numbers = re.search(r"([\d.]+) +\+ +([\d.]+) +\+ +([\d.]+) +=+ +([\d.]+) s", architecture.read_text())
    assert numbers is not None
    assert [float(number) for number in numbers.groups()] == [*terms, sum(float(str(term)) for term in terms)]


def test_the_waits_and_endings_are_described() -> None:
    """docs/operate/fencing.md has a part for each wait and each key of the inventory, and with instances.md the status of each outcome."""
    fencing = ROOT / "docs" / "operate" / "fencing.md"
    parts = set(re.findall(r"^### (\w+)$", fencing.read_text(), flags=re.MULTILINE))
    assert parts == {phase.value for phase in Phase if phase.is_wait}
    cells = rows(fencing, columns=3) + rows(fencing.with_name("instances.md"), columns=3)
    table = {name: status.strip("`") for name, status, _ in reversed(cells)}
    assert {outcome.value: table.get(outcome.value) for outcome in OUTCOMES} == {
        outcome.value: status for outcome, status in OUTCOMES.items()
    }
    keys = {cells[0].strip("`"): cells[1] for cells in rows(fencing, columns=3) if cells[1] in ("yes", "no")}
    must = {"address": "yes", "port": "no", "user": "yes", "password": "yes", "system_guid": "no"}
    assert keys == must


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "docs" / "operate" / "fencing.md"], ids=label)
def test_the_examples_of_the_inventory_can_be_loaded(path: Path, tmp_path: Path) -> None:
    """Every example of a fencing.yaml is one that the service takes."""
    password = tmp_path / "bmc-password"
    password.write_text("secret\n")
    password.chmod(0o600)
    examples = blocks(path, "yaml")
    assert examples
    for example in examples:
        file = tmp_path / "fencing.yaml"
        file.write_text(example.replace("/etc/masakari/bmc-password", str(password)))
        file.chmod(0o600)
        found = load_inventory(file)
        assert found.devices or found.detector_segments


def test_the_example_of_the_configuration_can_be_loaded(tmp_path: Path) -> None:
    """The README's masakari.conf is one that the service takes, and it means what it says."""
    (example,) = blocks(ROOT / "README.md", "ini")
    file = tmp_path / "masakari.conf"
    file.write_text(example)
    settings = load(["--config-file", str(file)], "masakari-engine")
    assert settings.engine == "controller-1"
    assert settings.policy.shared_storage


def test_every_decision_is_recorded_in_its_form() -> None:
    """Each ADR is short, has a number of its own and its four parts in order, and stands in the index under its own title."""
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()
    records = sorted(folder.glob("[0-9]*.md"))
    assert records
    assert len({path.name[:5] for path in records}) == len(records)
    for path in records:
        number, lines = int(path.name[:4]), path.read_text().splitlines()
        assert len(lines) <= ADR_LINES
        assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == ADR_PARTS
        title = lines[0].removeprefix(f"# {number}. ")
        assert f"| [{number:04d}]({path.name}) | {title} |" in index


def test_the_tables_of_options_are_current() -> None:
    """docs/operate/configuration.md is what the options make of it; run `python -m unit_tests.test_docs` to write it."""
    assert CONFIGURATION.read_text() == with_tables(CONFIGURATION.read_text())


def with_tables(text: str) -> str:
    """Return the document with the tables as the options have them now."""
    tables = "\n".join([*option_tables(), *need_table(), *upstream_table()])
    mark = r"(<!-- tables: begin -->\n).*(<!-- tables: end -->)"
    return re.sub(mark, lambda found: f"{found[1]}{tables}\n{found[2]}", text, flags=re.DOTALL)


def option_tables() -> Iterator[str]:
    """Yield a table for each group."""
    for group in dict.fromkeys(option.group for option in OPTIONS):
        yield from (f"\n## [{group}]\n", "| option | default | range | meaning |", "|---|---|---|---|")
        for option in OPTIONS:
            if option.group == group:
                yield f"| `{option.name}` | {default_of(option)} | {range_of(option)} | {option.help} |"


def default_of(option: Option) -> str:
    """Show the default with its unit."""
    unit = " s" if option.unit == "seconds" else ""
    match option.default:
        case None:
            return "-"
        case bool():
            return str(option.default).lower()
        case int() | float():
            return f"{option.default:g}{unit}"
        case _:
            return f"`{option.default}`"


def range_of(option: Option) -> str:
    """Show what is allowed."""
    if option.choices:
        return ", ".join(option.choices)
    if option.low is not None and option.high is not None:
        return f"{option.low:.6g} to {option.high:.6g}"
    return {"bool": "true, false", "port": "0 to 65535"}.get(option.kind, "text")


def need_table() -> Iterator[str]:
    """Yield the table of the bounds that options set for each other."""
    yield from ("\n## Bounds between options\n", "| option | must be | because |", "|---|---|---|")
    for need in NEEDS:
        more = "more than" if need.strict else "at least"
        counted = {part: need.parts.count(part) for part in need.parts}
        terms = " + ".join(f"{count} x `{part}`" if count > 1 else f"`{part}`" for part, count in counted.items())
        yield f"| `{need.option}` | {more} {terms} | {need.why} |"


def upstream_table() -> Iterator[str]:
    """Yield the table of what becomes of upstream's options."""
    yield from ("\n## Options of upstream Masakari\n", "| option | here | |", "|---|---|---|")
    rows_of: dict[tuple[str, Fate, str], list[str]] = {}
    for row in UPSTREAM:
        rows_of.setdefault((row.group, row.fate, row.note), []).append(f"`{row.name}`")
    for (group, fate, note), options in rows_of.items():
        yield f"| [{group}] {', '.join(options)} | {fate.value} | {f'is `{note}`' if fate is Fate.MAPPED else note} |"


if __name__ == "__main__":
    CONFIGURATION.write_text(with_tables(CONFIGURATION.read_text()))
    sys.exit(0)
