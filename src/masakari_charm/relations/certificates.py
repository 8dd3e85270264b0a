"""`certificates` (tls-certificates, the legacy dialect of vault 1.8 and easyrsa): keys and certificates, made by the other side.

Unit bag, ours: `unit_name` (our unit with "_" for "/"), `cert_requests` = JSON {common name: {"sans": [name or address, ...]}}. The old
keys for a first request (`common_name`, `sans`) are not written, so that all answers come in one place.
Unit bag, theirs, one per unit of vault: `ca`, `chain` (PEM), `<our unit_name>.processed_requests` = JSON {common name: {"cert", "key"}}.

The dialect of signing requests (vault 1.16, self-signed-certificates) has other keys in the same relation and comes as another module.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from masakari_charm.relations.bags import Bag, Bags, Missing, dump, json_object, pem, to_pem

ENDPOINT = "certificates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """What was issued to this unit: pairs by common name, and the authority with its chain; `waits_for` names what is not there yet."""

    ca: str
    chain: str | None
    pairs: tuple[tuple[str, Pair], ...]
    waits_for: tuple[str, ...] = ()


def request(*, unit: str, names: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """Ask for a certificate per common name; `names` has the other names and addresses of each."""
    wanted = {common: {"sans": sorted(others)} for common, others in names.items()}
    return {"unit_name": unit.replace("/", "_"), "cert_requests": dump(wanted)}


def kept_name(before: Bag, *, now: str, kernel_name: str, endpoints: Container[str]) -> str:
    """Return the host's own name as we asked for it first, whatever DNS says `now`: only of that name there is a certificate.

    `kernel_name` is the name without DNS; `endpoints` are names that have a certificate for something else than the host.
    """
    asked = json_object(before, "cert_requests")
    own = [name for name in asked if name not in endpoints]
    if now in asked or not own:
        return now
    short = kernel_name.partition(".")[0]
    return min(own, key=lambda name: (name.partition(".")[0] != short, name))


def parse(bags: Bags, *, unit: str, names: Mapping[str, frozenset[str]]) -> Certificates | Missing:
    """Return what was issued of the names that we asked for."""
    key = f"{unit.replace('/', '_')}.processed_requests"
    for _, bag in sorted(bags.items()):
        ca, pairs = pem(bag, "ca"), _pairs(json_object(bag, key))
        issued = tuple((common, pairs[common]) for common in sorted(names) if common in pairs)
        if ca and issued:
            waiting = tuple(sorted(set(names) - set(pairs)))
            return Certificates(ca=ca, chain=pem(bag, "chain"), pairs=issued, waits_for=waiting)
    return Missing(relation=ENDPOINT, is_joined=True, keys=("ca", key))


def _pairs(processed: Mapping[str, object]) -> dict[str, Pair]:
    found: dict[str, Pair] = {}
    for common, answer in processed.items():
        if not isinstance(answer, dict):
            continue
        certificate, key = to_pem(answer.get("cert")), to_pem(answer.get("key"))
        if certificate and key:
            found[common] = Pair(certificate=certificate, key=key)
    return found
