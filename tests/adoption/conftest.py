"""Servers, and databases that releases of upstream filled: each is made once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.adoption import environments
from tests.adoption.clouds import Answers, Cloud, Ours
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
    """A database after our `db sync`: what upstream showed before and after, and our API on it."""

    cloud: Cloud
    before: Answers
    after: Answers
    version_after: str
    ours: Ours


def adopt(cloud: Cloud) -> Adopted:
    """Let upstream fill a database, bring it over, and let upstream look at it again."""
    cloud.configure()
    before = cloud.fill()
    cloud.manage("db", "sync")
    after, version = cloud.read(), cloud.version()
    if cloud.release in KNOW_THE_HEAD:
        cloud.sync_upstream()
    return Adopted(cloud=cloud, before=before, after=after, version_after=version, ours=Ours(cloud))


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
