"""The production checklist: what each fact makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vmha.core.capacity import Room
from vmha.core.model import Disarm, Instance, RecoveryMethod, ServiceReading
from vmha.core.policy import LocalDisk, Policy
from vmha.core.readiness import AlertFacts, Check, Durability, Facts, Finding, HostFacts, SegmentFacts, Verdict, judge

DURABLE = Durability(is_durable=True, says="the database waits for its disk")


def host(
    name: str, *, used: int = 0, size: int = 10, is_up: bool = True, disabled: bool = False, reserved: bool = False
) -> HostFacts:
    """A host with a BMC that answers."""
    held = {f"vm-{name}-{number}": {"VCPU": 1} for number in range(used)}
    return HostFacts(
        name=name,
        is_reserved=reserved,
        on_maintenance=False,
        fence_trouble=None,
        service=ServiceReading(host=name, heartbeat="x", is_up=is_up, disabled=disabled or reserved),
        room=Room(size={"VCPU": size}, largest={"VCPU": size}, held=held),
    )


def a_service(of: HostFacts) -> ServiceReading:
    """The compute service of a host."""
    assert of.service is not None
    return of.service


def facts(*hosts: HostFacts, method: RecoveryMethod = RecoveryMethod.AUTO, policy: Policy | None = None) -> Facts:
    """One segment with these hosts."""
    segment = SegmentFacts(name="az1", method=method, is_enabled=True, hosts=hosts)
    return Facts(segments=(segment,), policy=policy or Policy(), durability=DURABLE)


def findings(seen: Facts, check: Check) -> list[Finding]:
    """What came of one check."""
    return [finding for finding in judge(seen) if finding.check is check]


def only(seen: Facts, check: Check) -> Finding:
    """The one finding of a check."""
    (finding,) = findings(seen, check)
    return finding


def test_all_is_well() -> None:
    """Where nothing is wrong only what nobody can know stays unknown: monitors and alerts."""
    verdicts = {finding.check: finding.verdict for finding in judge(facts(host("c1", used=3), host("c2")))}
    unknown = {Check.MONITORS, Check.ALERTS}
    assert verdicts == {check: Verdict.UNKNOWN if check in unknown else Verdict.OK for check in Check}


def test_a_policy_for_segments_that_are_not_there() -> None:
    """Their names are said with what to do: what was meant is recovered by the default."""
    found = only(replace(facts(host("c1"), host("c2")), strangers=("az2", "rakc-1")), Check.SEGMENTS)
    assert found.verdict is Verdict.NOT_OK
    assert "segments that are not there: az2, rakc-1" in found.says
    assert "openstack segment list" in found.do


def test_what_is_disarmed() -> None:
    """Each order of an operator that stands is said with whose, until when and why: what fails there is not recovered meanwhile."""
    order = Disarm(scope="segment az1", by="ann", why="the storage is moved", until=9.0, until_text="nine")
    found = only(replace(facts(host("c1"), host("c2")), disarmed=(order,)), Check.SEGMENTS)
    assert found.verdict is Verdict.NOT_OK
    assert found.says == "segment az1 disarmed by ann until nine: the storage is moved"


def test_webhooks_that_take_alerts_are_well() -> None:
    """With webhooks it is OK as long as nothing is overdue; an alert that is on its way is not."""
    seen = facts(host("c1"), host("c2"))
    for told in (AlertFacts(webhooks=1), AlertFacts(webhooks=2, undelivered={"receiver": 1}, oldest_seconds=59.0)):
        found = only(replace(seen, alerts=told), Check.ALERTS)
        assert (found.verdict, f"{told.webhooks} webhook" in found.says) == (Verdict.OK, True)


@pytest.mark.parametrize("webhooks", [0, 1])
def test_a_webhook_that_takes_none_is_named(webhooks: int) -> None:
    """Alerts that lie there for a minute are NOT OK, with the webhook and how many, also where it is configured no more."""
    told = AlertFacts(webhooks=webhooks, undelivered={"receiver": 3}, oldest_seconds=60.0)
    found = only(replace(facts(host("c1"), host("c2")), alerts=told), Check.ALERTS)
    assert found.verdict is Verdict.NOT_OK
    assert "3 for receiver; the oldest is 60 s old" in found.says
    assert "alerts list" in found.do


def test_what_we_disabled_and_is_back_is_named() -> None:
    """With what to do; a service that is down, forced down, or disabled by somebody else is no such case."""
    ours = replace(a_service(host("c1")), disabled=True, disabled_reason=Policy().process_disable_reason)
    cloud = findings(facts(replace(host("c1"), service=ours), host("c2")), Check.CLOUD)
    assert [finding.verdict for finding in cloud] == [Verdict.OK, Verdict.NOT_OK]
    assert "c1 is up, and disabled by us" in cloud[1].says
    assert "openstack notification create PROCESS c1" in cloud[1].do
    for other in (
        replace(ours, is_up=False),
        replace(ours, forced_down=True),
        replace(ours, disabled=False),
        replace(ours, disabled_reason="disk is going"),
    ):
        assert only(facts(replace(host("c1"), service=other), host("c2")), Check.CLOUD).verdict is Verdict.OK


def test_every_finding_but_ok_says_more() -> None:
    """Whatever is not OK says what to do, or why it is unknown."""
    broken = replace(host("c1", used=11), fence_trouble="cannot read power of c1: no; check it", service=None)
    for finding in judge(facts(broken, replace(host("c2"), room=None))):
        assert finding.says
        assert finding.verdict is Verdict.OK or finding.do or finding.verdict is Verdict.UNKNOWN


def test_no_segment_is_not_ready() -> None:
    """Without any host nothing is recovered."""
    empty = Facts(segments=(), policy=Policy(), durability=DURABLE)
    assert only(empty, Check.SEGMENTS).verdict is Verdict.NOT_OK
    assert findings(empty, Check.RESERVE) == []


def test_a_disabled_segment_is_named() -> None:
    """Notifications of its hosts are ignored, so that is not ready."""
    seen = facts(host("c1"), host("c2"))
    disabled = replace(seen, segments=(replace(seen.segments[0], is_enabled=False),))
    finding = only(disabled, Check.SEGMENTS)
    assert (finding.verdict, "az1" in finding.do) == (Verdict.NOT_OK, True)


def test_each_fence_trouble_is_a_finding() -> None:
    """Every host whose BMC gave no reading is named with the reason."""
    seen = facts(*(replace(host(name), fence_trouble=f"cannot read power of {name}") for name in ("c1", "c2")))
    assert [finding.says for finding in findings(seen, Check.FENCING)] == [
        "cannot read power of c1",
        "cannot read power of c2",
    ]


def test_nova_that_is_away_leaves_the_rest_unknown() -> None:
    """One trouble of the cloud is one finding, and what would have needed Nova is UNKNOWN."""
    seen = replace(facts(replace(host("c1"), service=None), host("c2")), cloud_trouble="Nova did not answer")
    assert only(seen, Check.CLOUD).says == "Nova did not answer"
    assert only(seen, Check.RESERVE).verdict is Verdict.UNKNOWN
    assert only(seen, Check.STORAGE).verdict is Verdict.UNKNOWN


def test_a_name_that_nova_does_not_know_is_not_ok() -> None:
    """A host under a name that is not Nova's can never be recovered."""
    finding = only(facts(replace(host("c1"), service=None), host("c2")), Check.CLOUD)
    assert finding.verdict is Verdict.NOT_OK
    assert "c1" in finding.says


def test_the_others_must_hold_each_host() -> None:
    """Without a reserve, every host's instances must fit on the others that are up and enabled."""
    assert only(facts(host("c1", used=6), host("c2", used=4)), Check.RESERVE).verdict is Verdict.OK
    finding = only(facts(host("c1", used=7), host("c2", used=4)), Check.RESERVE)
    assert finding.verdict is Verdict.NOT_OK
    assert finding.says == "segment az1: c1 holds 7 VCPU, and those who would take over have 6 free"


@pytest.mark.parametrize("useless", [host("c2", is_up=False), host("c2", disabled=True)])
def test_a_host_that_takes_nothing_is_no_reserve(useless: HostFacts) -> None:
    """Whom Nova does not send instances to is not counted."""
    finding = only(facts(host("c1"), useless), Check.RESERVE)
    assert (finding.verdict, finding.says) == (Verdict.NOT_OK, "segment az1: nobody could take over for c1")


RESERVED = {"method": RecoveryMethod.RESERVED_HOST}


def test_reserved_hosts_are_what_counts() -> None:
    """With the method reserved_host the reserve must hold the fullest host; what others have free is not counted."""
    finding = only(facts(host("c1", used=3), host("c2", used=5), host("r1", reserved=True), **RESERVED), Check.RESERVE)
    assert finding.verdict is Verdict.OK
    assert finding.says == "segment az1: reserved r1 would hold any host of it; the fullest is c2 with 5 VCPU"
    small = only(facts(host("c1", used=3), host("c2"), host("r1", size=2, reserved=True), **RESERVED), Check.RESERVE)
    assert small.verdict is Verdict.NOT_OK


@pytest.mark.parametrize("method", [RecoveryMethod.AUTO_PRIORITY, RecoveryMethod.RH_PRIORITY])
def test_both_count_where_the_method_uses_both(method: RecoveryMethod) -> None:
    """With a priority of one over the other, what does not fit on the first goes to the second."""
    seen = facts(host("c1", used=7), host("c2", used=6), host("r1", size=4, reserved=True), method=method)
    finding = only(seen, Check.RESERVE)
    assert (
        finding.says
        == "segment az1: reserved r1 and the other hosts would hold any host of it; the fullest is c1 with 7 VCPU"
    )


def test_the_method_auto_wakes_no_reserve() -> None:
    """With the method auto a reserved host is no reserve, and that is said."""
    seen = facts(host("c1", used=7), host("c2", used=6), host("r1", reserved=True))
    finding = only(seen, Check.RESERVE)
    assert (finding.verdict, "rh_priority does" in finding.do) == (Verdict.NOT_OK, True)
    alone = only(facts(host("c1"), host("r1", reserved=True)), Check.RESERVE)
    assert (alone.verdict, "rh_priority does" in alone.do) == (Verdict.NOT_OK, True)
    idle = only(facts(host("c1"), host("c2"), host("r1", reserved=True)), Check.RESERVE)
    assert (idle.verdict, "rh_priority does" in idle.says) == (Verdict.OK, True)


def test_the_method_may_demand_a_reserve() -> None:
    """A segment with the method reserved_host and without a reserved host that is up is not ready."""
    finding = only(facts(host("c1"), host("c2"), method=RecoveryMethod.RESERVED_HOST), Check.RESERVE)
    assert finding.verdict is Verdict.NOT_OK
    assert "reserved_host" in finding.do


def test_a_reserve_on_maintenance_is_none() -> None:
    """A reserved host that has been used up waits for its operator."""
    used_up = replace(host("r1", reserved=True), on_maintenance=True)
    finding = only(facts(host("c1", used=1), used_up, method=RecoveryMethod.RESERVED_HOST), Check.RESERVE)
    assert finding.verdict is Verdict.NOT_OK


def test_a_host_that_was_evacuated_is_no_load() -> None:
    """What Placement still holds for a failed host, until its nova-compute returns, needs no room; it takes nothing either."""
    failed = replace(host("c1", used=9), on_maintenance=True)
    finding = only(facts(failed, host("c2", used=2), host("c3", used=7)), Check.RESERVE)
    assert (finding.verdict, "the fullest is c3" in finding.says) == (Verdict.OK, True)
    assert findings(facts(failed), Check.RESERVE) == []


def test_what_placement_does_not_know_is_unknown() -> None:
    """A host without a provider is no proof of room."""
    finding = only(facts(replace(host("c1"), room=None), host("c2")), Check.RESERVE)
    assert finding.verdict is Verdict.NOT_OK  # c2 has nobody but c1, of which nothing is known
    finding = only(facts(replace(host("c1"), room=None), host("c2"), host("c3")), Check.RESERVE)
    assert (finding.verdict, "c1" in finding.says) == (Verdict.UNKNOWN, True)


def image_backed(state: str = "active") -> Instance:
    """An instance whose disk is where nova.conf says."""
    return Instance(uuid="i1", name="web", host="c1", vm_state=state, image_backed=True)


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (Policy(), Verdict.NOT_OK),
        (Policy(local_disk=LocalDisk.REBUILD), Verdict.OK),
        (Policy(shared_storage=True), Verdict.UNKNOWN),
    ],
)
def test_local_disks_are_compared_with_what_is_declared(policy: Policy, verdict: Verdict) -> None:
    """A disk that may be on its host only waits, is lost, or is declared shared, which Nova cannot confirm."""
    with_disk = replace(host("c1"), instances=(image_backed(),))
    assert only(facts(with_disk, host("c2"), policy=policy), Check.STORAGE).verdict is verdict


def test_an_instance_without_a_guest_has_no_say() -> None:
    """A shelved instance has no disk on the host."""
    shelved = replace(host("c1"), instances=(image_backed("shelved_offloaded"),))
    assert only(facts(shelved, host("c2")), Check.STORAGE).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("is_durable", "verdict"), [(True, Verdict.OK), (False, Verdict.NOT_OK), (None, Verdict.UNKNOWN)]
)
def test_the_database_says_for_itself(is_durable: bool | None, verdict: Verdict) -> None:
    """What the database's settings mean is taken over."""
    seen = replace(facts(host("c1"), host("c2")), durability=Durability(is_durable=is_durable, says="so", do="that"))
    finding = only(seen, Check.DATABASE)
    assert (finding.verdict, finding.says, finding.do) == (verdict, "so", "that")
