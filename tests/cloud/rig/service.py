"""What the HA service needs to know to run on this cloud."""

import dataclasses

from tests.cloud.rig import layout
from tests.cloud.rig.bmc import Bmc
from tests.cloud.rig.settings import ADDRESS, BMC_PASSWORD, BMC_USER, PASSWORD, REGION, Settings, load


@dataclasses.dataclass(frozen=True, slots=True)
class BmcAccess:
    """How the controller of a host is reached, and who it says it is."""

    address: str
    port: int
    user: str
    password: str
    guid: str


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Everything that a masakari.conf and a fencing inventory for this cloud are made of."""

    database_url: str
    transport_url: str
    auth_url: str
    user: str
    password: str
    user_domain: str
    project: str
    project_domain: str
    region: str
    address: str
    port: int
    memcached: str
    hosts: tuple[str, ...]
    bmcs: dict[str, BmcAccess]


def service_settings(settings: Settings | None = None) -> ServiceSettings:
    """Return what a configuration of the HA service on this cloud is rendered from."""
    cloud = settings or load()
    return ServiceSettings(
        database_url=f"{layout.database_url(cloud, 'ha-database')}/masakari?charset=utf8mb4",
        transport_url=layout.broker_url(cloud, "ha-broker"),
        auth_url=f"{cloud.url('keystone')}/v3",
        user="masakari",
        password=PASSWORD,
        user_domain="Default",
        project="service",
        project_domain="Default",
        region=REGION,
        address=ADDRESS,
        port=cloud.port("ha-api"),
        memcached=f"{ADDRESS}:{cloud.port('memcached')}",
        hosts=cloud.hosts,
        bmcs={
            host: BmcAccess(ADDRESS, cloud.bmc_port(host), BMC_USER, BMC_PASSWORD, str(Bmc(cloud, host).guid))
            for host in cloud.hosts
        },
    )
