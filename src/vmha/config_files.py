"""masakari.conf as it is written: which files are read, what stands in them, and what of it nobody reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oslo_config import cfg

from vmha.errors import ConfigurationError
from vmha.options import OPTIONS, Option
from vmha.upstream import UPSTREAM, Fate, UpstreamOption, fate_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONFIG_FILE = Path("/etc/masakari/masakari.conf")
CONFIG_FOLDER = Path("/etc/masakari/masakari.conf.d")
NOWHERE = "the environment"


def open_config(argv: list[str], prog: str, *, words: Iterable[cfg.Opt] = ()) -> cfg.ConfigOpts:
    """Read the files that `argv` names, or masakari.conf in its usual place; `argv` may set the options `words` too.

    Raises `ConfigurationError`.
    """
    config = cfg.ConfigOpts()
    config.register_cli_opts(words)
    try:
        config(
            argv,
            project="masakari",
            prog=prog,
            default_config_files=[str(CONFIG_FILE)] if CONFIG_FILE.exists() else [],
            default_config_dirs=[str(CONFIG_FOLDER)] if CONFIG_FOLDER.is_dir() else [],
        )
    except cfg.ConfigFilesNotFoundError as error:
        raise ConfigurationError(f"there is no {', '.join(error.config_files)}; correct --config-file") from error
    except cfg.ConfigFilesPermissionDeniedError as error:
        raise ConfigurationError(
            f"cannot read {', '.join(error.config_files)}; make it readable for the user of this service"
        ) from error
    except cfg.Error as error:
        raise ConfigurationError(f"cannot read the configuration: {error}; correct the file") from error
    return config


def written(config: cfg.ConfigOpts, option: Option) -> tuple[str, str]:
    """Find the value as it was written, and where; oslo.config's own message has neither."""
    names = {(option.group.lower(), name) for name in (option.name, *old_names(option))}
    found = [(line.value, str(line.path)) for line in _lines(config) if (line.group.lower(), line.name) in names]
    return found[-1] if found else ("the value", NOWHERE)


def given(config: cfg.ConfigOpts) -> dict[tuple[str, str], str]:
    """Return those of our options that the files set, by group and name, as they are written."""
    values = {(option.group, option.name): written(config, option) for option in OPTIONS}
    return {key: value for key, (value, where) in values.items() if where is not NOWHERE}


def old_names(option: Option) -> tuple[str, ...]:
    """Return the names of upstream's under which the option is read as well."""
    return tuple(
        row.name for row in UPSTREAM if row.fate is Fate.MAPPED and (row.group, row.note) == (option.group, option.name)
    )


@dataclass(frozen=True, slots=True)
class Unread:
    """What the files set and nobody reads: options of upstream's that are ignored, and names that nobody knows."""

    ignored: tuple[UpstreamOption, ...]
    unknown: tuple[str, ...]


def unread(config: cfg.ConfigOpts) -> Unread:
    """Find what the files set and nobody reads, in the order in which it is written."""
    known = {(option.group.lower(), option.name) for option in OPTIONS}
    foreign = {line.value for line in _lines(config) if line.name == "auth_section"}
    ignored: dict[UpstreamOption, None] = {}
    unknown: dict[str, None] = {}
    for line in _lines(config):
        fate = fate_of(line.group, line.name)
        if (line.group.lower(), line.name) in known or line.group in foreign:
            continue
        if fate is None:
            unknown[f"[{line.group}] {line.name}"] = None
        elif fate.fate is Fate.IGNORED:
            ignored[UpstreamOption(group=line.group, name=line.name, fate=fate.fate, note=fate.note)] = None
    return Unread(tuple(ignored), tuple(unknown))


def paste_files(config: cfg.ConfigOpts) -> list[Path]:
    """List the api-paste.ini files that upstream would look for: what the option names, or beside each file that was read."""
    named = [line.value for line in _lines(config) if (line.group.lower(), line.name) == ("wsgi", "api_paste_config")]
    name = named[-1] if named else "api-paste.ini"
    places = dict.fromkeys(path.parent / name for path in _files(config) or [CONFIG_FILE])
    return [place for place in places if place.is_file()]


@dataclass(frozen=True, slots=True)
class _Line:
    """One value as it is written."""

    path: Path
    group: str
    name: str
    value: str


def _lines(config: cfg.ConfigOpts) -> Iterator[_Line]:
    """Yield every value of all files; later ones win."""
    for path in _files(config):
        sections: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(path), sections).parse()
        for group, values in sections.items():
            yield from (_Line(path, group, name, texts[-1]) for name, texts in values.items())


def _files(config: cfg.ConfigOpts) -> list[Path]:
    """List all files that were read, in the order in which later ones win."""
    folders = [Path(folder) for folder in config.config_dirs]
    return [Path(path) for path in config.config_file] + [
        path for folder in folders for path in sorted(folder.glob("*.conf"))
    ]
