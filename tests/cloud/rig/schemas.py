"""The schemas of the OpenStack projects: made by their own commands once per machine, and from then on read from what those made.

What they made is kept as SQL beside the project's environment, so that it is of exactly that version. It holds no address of a cloud.
"""

from collections.abc import Callable, Mapping

from tests.cloud.rig import databases, environments, layout
from tests.cloud.rig.settings import Settings

DATABASES: Mapping[str, tuple[str, ...]] = {
    "keystone": ("keystone",),
    "placement": ("placement",),
    "glance": ("glance",),
    "nova": ("nova_api", "nova", "nova_cell0"),
}
# Rows that are about one cloud: where the databases and the broker of its cells are.
OF_ONE_CLOUD = ("nova_api.cell_mappings",)


def create(settings: Settings, project: str, make: Callable[[], None]) -> None:
    """Give a project's empty databases their tables, by `make` if nothing was kept of it yet."""
    server = databases.cloud_database(settings)
    kept = environments.folder(project) / "schema.sql"
    if kept.exists():
        server.sql(kept.read_text())
        return
    make()
    layout.write(kept, server.dump(DATABASES[project], without_rows_of=OF_ONE_CLOUD))
