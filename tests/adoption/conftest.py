"""Servers, and databases that releases of upstream filled: each is made once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.adoption import environments
from tests.adoption.clouds import Answers, Cloud, Ours
from tests.adoption.living import live
from tests.sql.servers import MariaDb, PostgreSql, Server, running


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """A private MariaDB."""
    yield from running(MariaDb)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A private PostgreSQL."""
    yield from running(PostgreSql)


KNOW_THE_HEAD = ("14.0.2", "22.0.0")
"""The first goes by a count of its own. To 19.0.0 the head is a revision of the future, as it is after upstream's own upgrade."""

AT_ONCE = 4
"""Databases that are filled at the same time: upstream's tasks sleep for most of it."""

Place = tuple[str, str]
"""A release and a kind of database."""

PLACES: tuple[Place, ...] = (
    ("14.0.2", "sqlite"),
    ("14.0.2", "mariadb"),
    ("19.0.0", "sqlite"),
    ("19.0.0", "mariadb"),
    ("22.0.0", "sqlite"),
    ("22.0.0", "mariadb"),
    ("22.0.0", "postgresql"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A database that went from upstream to us and back: what each API showed of it, and when.

    `before` and `shown` are upstream's and ours before anything else happened, `lived` what ours shows after it has recovered hosts,
    `after` what upstream's shows when it has gone on with that. `reported` are the notifications that our API took.
    """

    cloud: Cloud
    before: Answers
    shown: Answers
    reported: list[str]
    lived: Answers
    version_after: str
    after: Answers
    ours: Ours


def adopt(cloud: Cloud) -> Adopted:
    """Let upstream fill a database, bring it over, let our service live on it, and then upstream again."""
    cloud.configure()
    before = cloud.fill()
    cloud.manage("db", "sync")
    ours = Ours(cloud)
    shown = ours.read(before)
    hosts = [body["host"]["name"] for body in before.values() if "host" in body]
    reported = live(ours, cloud.url, hosts)
    lived = ours.read(before)
    version = cloud.version()
    if cloud.release in KNOW_THE_HEAD:
        cloud.sync_upstream()
    return Adopted(
        cloud=cloud,
        before=before,
        shown=shown,
        reported=reported,
        lived=lived,
        version_after=version,
        after=cloud.go_on(),
        ours=ours,
    )


@pytest.fixture(scope="session")
def adoptions(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Place, Future[Adopted]]]:
    """Begin the stories of all databases that the chosen tests ask for; most of the time each waits for its own cloud."""
    wanted = {
        item.callspec.params["place"]
        for item in request.session.items
        if "adopted" in getattr(item, "fixturenames", ())
    }
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(environments.make, sorted({release for release, _ in wanted})))
        begun = {}
        for release, kind in (place for place in PLACES if place in wanted):
            folder = tmp_path_factory.mktemp(f"{kind}-{release}")
            cloud = Cloud(release, _database(request, kind, release, folder), folder)
            begun[release, kind] = pool.submit(adopt, cloud)
        yield begun
        for story in begun.values():
            if story.exception() is None:
                story.result().ours.engine.dispose()


@pytest.fixture(params=PLACES, ids="-".join)
def place(request: pytest.FixtureRequest) -> Place:
    """One release on one kind of database."""
    chosen: Place = request.param
    return chosen


@pytest.fixture
def adopted(adoptions: dict[Place, Future[Adopted]], place: Place) -> Adopted:
    """The database that a release filled, brought over."""
    return adoptions[place].result()


def _database(request: pytest.FixtureRequest, kind: str, release: str, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder}/masakari.sqlite"
    server: Server = request.getfixturevalue(kind)
    return server.create_database(f"upstream_{release.replace('.', '_')}")
