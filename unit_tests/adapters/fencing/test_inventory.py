"""The inventory of BMCs: what may stand in it, and what is said about a fault."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from vmha.adapters.fencing.inventory import Inventory, IpmiDevice, load_inventory
from vmha.errors import ConfigurationError

GUID = "a1234567-89ab-cdef-a123-456789abcdef"
Write = Callable[[str], Path]
# The head of most files here: one host whose entries begin at line 4.
C1 = "hosts:\n  c1:\n    ipmi:\n"
LOGIN = "      user: admin\n      password: s3cret\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write an inventory that only its owner may read."""

    def write_file(text: str) -> Path:
        path = tmp_path / "fencing.yaml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write_file


def complaint(path: Path, **environ: str) -> str:
    """Return what is said about a faulty inventory."""
    with pytest.raises(ConfigurationError) as caught:
        load_inventory(path, environ=environ)
    return str(caught.value)


def test_a_full_entry(write: Write) -> None:
    """Every key of an entry reaches the device."""
    path = write(f"{C1}      address: 10.0.0.7\n      port: 6230\n{LOGIN}      system_guid: {GUID}\n")
    assert load_inventory(path) == Inventory(
        source=str(path),
        devices={
            "c1": IpmiDevice(
                host="c1",
                address="10.0.0.7",
                port=6230,
                user="admin",
                password="s3cret",
                system_guid=UUID(GUID),
            )
        },
    )


def test_port_and_guid_may_be_left_out(write: Write) -> None:
    """The port is 623 and no identity is checked unless the file says so."""
    device = load_inventory(write(f"{C1}      address: 10.0.0.7\n{LOGIN}")).devices["c1"]
    assert (device.port, device.system_guid, device.endpoint) == (623, None, "10.0.0.7:623")


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("fd00::7", "[fd00::7]:623"),
        ("FD00:0::7", "[fd00::7]:623"),
        ("bmc-1.example.org", "bmc-1.example.org:623"),
    ],
)
def test_addresses(write: Write, address: str, endpoint: str) -> None:
    """An address is IPv4, IPv6 or a name; one IPv6 address has one spelling."""
    device = load_inventory(write(f"{C1}      address: {address}\n{LOGIN}")).devices["c1"]
    assert device.endpoint == endpoint


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("s3cret", "s3cret"),
        ("0123", "0123"),
        ("yes", "yes"),
        ("0x1F", "0x1F"),
        ("'with space: and #'", "with space: and #"),
        ('"quote\\"d"', 'quote"d'),
        ("pass:word", "pass:word"),
        ("value:file:x", "file:x"),
        ("env:BMC", "from the environment"),
    ],
)
def test_passwords_are_taken_as_written(write: Write, written: str, password: str) -> None:
    """A password is the characters that stand there, a number or a word like yes too."""
    path = write(f"{C1}      address: 10.0.0.7\n      user: admin\n      password: {written}\n")
    devices = load_inventory(path, environ={"BMC": "from the environment"}).devices
    assert devices["c1"].password == password


def test_a_password_from_a_file(write: Write, tmp_path: Path) -> None:
    """A password file gives its text without the end of the line."""
    secret = tmp_path / "bmc"
    secret.write_text(" s3cret \n")
    secret.chmod(0o400)
    path = write(f"{C1}      address: 10.0.0.7\n      user: admin\n      password: file:{secret}\n")
    assert load_inventory(path).devices["c1"].password == " s3cret "


def test_defaults_fill_what_a_host_leaves_out(write: Write) -> None:
    """Port, user and password may stand once for all hosts; a host's own go before."""
    path = write(
        "defaults:\n  ipmi:\n    user: admin\n    password: shared\n    port: 6230\n"
        "hosts:\n"
        "  c1:\n    ipmi:\n      address: 10.0.0.7\n"
        "  c2:\n    ipmi:\n      address: 10.0.0.8\n      password: own\n"
    )
    devices = load_inventory(path).devices
    assert [(d.endpoint, d.user, d.password) for d in devices.values()] == [
        ("10.0.0.7:6230", "admin", "shared"),
        ("10.0.0.8:6230", "admin", "own"),
    ]


def test_segments_may_have_a_policy(write: Write) -> None:
    """Segments with policy = detector are named, by names with spaces too; others, and files without any, ask for a proof."""
    text = "segments:\n  rack-1:\n    policy: detector\n  rack-2:\n    policy: proof\n  'the third, in Zürich':\n    policy: detector\n"
    assert load_inventory(write(text)).detector_segments == {"rack-1", "the third, in Zürich"}
    assert load_inventory(write(f"segments:\n{C1}      address: 10.0.0.7\n{LOGIN}")).detector_segments == frozenset()


@pytest.mark.parametrize("text", ["", "# nobody yet\n", "hosts:\n", "hosts: {}\n"])
def test_an_inventory_may_be_empty(write: Write, text: str) -> None:
    """A file without hosts is right."""
    assert load_inventory(write(text)).devices == {}


@pytest.mark.parametrize("text", ["[" * 3000, "hosts: " + "{a: " * 3000])
def test_no_nesting_is_too_deep_to_be_refused(write: Write, text: str) -> None:
    """A file nested deeper than the reader can follow is refused like any other that is wrong."""
    with pytest.raises(ConfigurationError, match="nested deeper"):
        load_inventory(write(text))


def test_one_bmc_by_two_spellings_is_one(write: Write) -> None:
    """An IPv4 address in its IPv6 form is the IPv4 address, so that a BMC cannot switch two hosts unseen."""
    login = "      user: admin\n      password: secret\n"
    other = C1.replace("hosts:\n", "").replace("c1", "c2")
    mapped = f"{C1}      address: '::ffff:10.0.0.7'\n{login}"
    assert load_inventory(write(mapped)).devices["c1"].endpoint == "10.0.0.7:623"
    with pytest.raises(ConfigurationError, match="same BMC"):
        load_inventory(write(f"{mapped}{other}      address: 10.0.0.7\n{login}"))


def test_a_missing_file_is_an_empty_inventory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No file means that every host is unprotected; the log says so."""
    path = tmp_path / "fencing.yaml"
    with caplog.at_level(logging.WARNING):
        assert load_inventory(path).devices == {}
    assert caplog.messages == [f"fencing inventory {path} does not exist: no host can be fenced, all are unprotected"]


def test_a_password_is_in_no_repr(write: Write) -> None:
    """Neither the device nor the inventory shows a password when printed."""
    inventory = load_inventory(write(f"{C1}      address: 10.0.0.7\n{LOGIN}"))
    assert "10.0.0.7" in repr(inventory)
    assert "s3cret" not in repr(inventory) + str(inventory) + repr(inventory.devices["c1"])


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o601])
def test_a_file_that_others_may_touch_is_refused(write: Write, mode: int) -> None:
    """A mode beyond the owner's is refused, with the command that mends it."""
    path = write(f"{C1}      address: 10.0.0.7\n{LOGIN}")
    path.chmod(mode)
    assert complaint(path) == (
        f"cannot use the fencing inventory {path}: its mode is {mode:04o} and others may read it; run: chmod 600 {path}"
    )


def test_a_stricter_mode_is_right(write: Write) -> None:
    """A file that its owner may only read is as good as 0600."""
    path = write("hosts:\n")
    path.chmod(0o400)
    assert load_inventory(path).devices == {}


def test_a_folder_is_no_inventory(tmp_path: Path) -> None:
    """What cannot be read is refused with the system's reason."""
    assert complaint(tmp_path) == (
        f"cannot use the fencing inventory {tmp_path}: it cannot be read (Is a directory); check the file and its owner"
    )


def test_bytes_that_are_no_text(write: Write) -> None:
    """A file in another encoding is refused."""
    path = write("")
    path.write_bytes(b"hosts:\n  c\xff1:\n")
    assert complaint(path).endswith("it is not UTF-8 text; write it again as UTF-8")


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("- c1\n", 1, "the file: must be a mapping of keys to values"),
        ("host:\n  c1:\n", 1, 'the file: unknown key "host"; known keys are defaults, hosts, segments'),
        ("hosts:\n- c1\n", 2, "hosts: must be a mapping of keys to values"),
        ("hosts:\n  c1: 10.0.0.7\n", 2, "host c1: must be a mapping of keys to values"),
        ("hosts:\n  c1: {}\n", 2, "host c1: has no ipmi section; add one with address, user and password"),
        (
            f"hosts:\n  c1:\n    redfish:\n      address: x\n    ipmi:\n      address: 10.0.0.7\n{LOGIN}",
            3,
            'host c1: unknown key "redfish"; known keys are ipmi',
        ),
        ("hosts:\n  c1:\n    ipmi: 10.0.0.7\n", 3, "host c1: must be a mapping of keys to values"),
        ("hosts:\n  [a, b]:\n    ipmi: {}\n", 2, "hosts: a key must be a plain name"),
        (
            f"{C1}      adress: 10.0.0.7\n      address: 10.0.0.7\n{LOGIN}",
            4,
            'host c1: unknown key "adress"; known keys are address, password, port, system_guid, user',
        ),
        (f"{C1}{LOGIN}", 4, "host c1: address is missing; add it"),
        (f"{C1}      address: 10.0.0.7\n      password: x\n", 4, "host c1: user is missing; add it"),
        (f"{C1}      address: 10.0.0.7\n      user: x\n", 4, "host c1: password is missing; add it"),
        (
            f"{C1}      address: 10.0.0.777\n{LOGIN}",
            4,
            'host c1: address "10.0.0.777" is neither; write an IP address or a name, and the port under its own key',
        ),
        (
            f"{C1}      address: 10.0.0.7:623\n{LOGIN}",
            4,
            'host c1: address "10.0.0.7:623" is neither; write an IP address or a name, and the port under its own key',
        ),
        (
            f"{C1}      address: [10.0.0.7]\n{LOGIN}",
            4,
            "host c1: address must be one value; if it is one, put it in quotes",
        ),
        *(
            (
                f"{C1}      address: 10.0.0.7\n      port: {port}\n{LOGIN}",
                5,
                "host c1: port must be a number from 1 to 65535",
            )
            for port in ("0", "65536", "-1", "ipmi", "1e3", "[623]", "''", "٣")
        ),
        (
            f"{C1}      address: 10.0.0.7\n      system_guid: a1234567\n{LOGIN}",
            5,
            "host c1: system_guid is no GUID; copy the one that `ipmitool mc guid` prints",
        ),
        (
            f"{C1}      address: 10.0.0.7\n      system_guid: 00000000-0000-0000-0000-000000000000\n{LOGIN}",
            5,
            "host c1: system_guid is the one of a BMC without identity; leave the key out",
        ),
        (
            f"{C1}      address: 10.0.0.7\n      user:\n      password: x\n",
            5,
            "host c1: user is empty; write it, in quotes where it begins with a special sign",
        ),
        (
            f"{C1}      address: 10.0.0.7\n      user: x\n      password: !s3cret\n",
            6,
            "host c1: password begins with a sign of YAML's own; put it in quotes",
        ),
        (
            f"{C1}      address: 10.0.0.7\n      user: x\n      password: &s3cret\n",
            6,
            "host c1: password is empty; write it, in quotes where it begins with a special sign",
        ),
        (
            f"{C1}      address: 10.0.0.7\n      user: x\n      password: {{s3cret}}\n",
            6,
            "host c1: password must be one value; if it is one, put it in quotes",
        ),
        (
            f"{C1}      address: 10.0.0.7\n      user: x\n      password: file:bmc\n",
            6,
            "host c1: password: file: needs an absolute path",
        ),
        (
            f"{C1}      address: 10.0.0.7\n      user: x\n      password: file:/nowhere/bmc\n",
            6,
            "host c1: password file /nowhere/bmc does not exist; create it or correct the path",
        ),
        (
            f"{C1}      address: 10.0.0.7\n      user: x\n      password: env:NOT_SET\n",
            6,
            "host c1: environment variable NOT_SET is not set; set it for the service",
        ),
        (
            f"{C1}      address: 10.0.0.7\n      user: x\n      password: 'env:s3cret of ours'\n",
            6,
            "host c1: password: env: needs the name of an environment variable",
        ),
        (
            f"{C1}      address: 10.0.0.7\n      user: x\n{LOGIN}",
            6,
            'host c1: "user" stands here twice; remove one',
        ),
        (
            f"{C1}      address: 10.0.0.7\n{LOGIN}  c1:\n    ipmi:\n      address: 10.0.0.8\n{LOGIN}",
            7,
            'hosts: "c1" stands here twice; remove one',
        ),
        ("segments: rack-1\n", 1, "segments: must be a mapping of keys to values"),
        ("segments:\n  rack-1: detector\n", 2, "segment rack-1: must be a mapping of keys to values"),
        ("segments:\n  rack-1: {}\n", 2, "segment rack-1: policy is missing; add it"),
        (
            "segments:\n  rack-1:\n    policy: detectr\n",
            3,
            'segment rack-1: policy "detectr" is none; write proof or detector',
        ),
        (
            "segments:\n  rack-1:\n    policy: proof\n    polcy: detector\n",
            4,
            'segment rack-1: unknown key "polcy"; known keys are policy',
        ),
        (
            "defaults:\n  ipmi:\n    address: 10.0.0.7\n",
            3,
            'defaults: ipmi: unknown key "address"; known keys are password, port, user',
        ),
    ],
)
def test_a_fault_is_named(write: Write, text: str, line: int, fault: str) -> None:
    """Each fault is reported with file, line and host, says what to do, and shows no password."""
    path = write(text)
    said = complaint(path)
    assert said == f"cannot use the fencing inventory {path}, 1 fault:\n  {path}:{line}: {fault}"
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hosts:\n  c1:\n   ipmi: {\n", 4),
        ("hosts:\n\tc1:\n", 2),
        (f"{C1}      password: *s3cret\n", 4),
        (f"{C1}      password: %s3cret\n", 4),
        (f"{C1}      password: @s3cret\n", 4),
        (f"{C1}      password: a: s3cret\n", 4),
        (f'{C1}      password: "s3cret\n', 5),
        (f'{C1}      password: "\\s3cret"\n', 4),
        ("hosts:\n---\nhosts:\n", 2),
        ("hosts:\n  c1: \x01s3cret\n", 2),
    ],
)
def test_broken_yaml_is_named_by_its_place_alone(write: Write, text: str, line: int) -> None:
    """A file that is no YAML is reported with its line, without a word of its text."""
    path = write(text)
    said = complaint(path)
    assert f"{path}:{line}: this is not YAML; " in said
    assert "s3cret" not in said


def test_two_hosts_behind_one_bmc(write: Write) -> None:
    """Two hosts with the same address and port are refused: a power-off would cut both."""
    path = write(
        f"{C1}      address: fd00::7\n{LOGIN}  c2:\n    ipmi:\n      address: fd00:0:0::7\n{LOGIN}"
        f"  c3:\n    ipmi:\n      address: fd00::7\n      port: 624\n{LOGIN}"
    )
    assert complaint(path).endswith(
        f"1 fault:\n  {path}:9: host c2: has the same BMC [fd00::7]:623 as host c1; correct the address of one of them"
    )


def test_two_hosts_with_one_guid(write: Write) -> None:
    """Two hosts with the same GUID are refused: one of them was copied."""
    guid = f"      system_guid: {GUID}\n"
    path = write(
        f"{C1}      address: 10.0.0.7\n{guid}{LOGIN}"
        f"  c2:\n    ipmi:\n      address: 10.0.0.8\n{guid.upper().replace('SYSTEM_GUID', 'system_guid')}{LOGIN}"
    )
    assert complaint(path).endswith(f"{path}:11: host c2: has the same system_guid as host c1; correct one of them")


def test_a_password_file_that_others_may_read(write: Write, tmp_path: Path) -> None:
    """A password file is held to the same mode as the inventory."""
    secret = tmp_path / "bmc"
    secret.write_text("s3cret")
    secret.chmod(0o644)
    path = write(f"{C1}      address: 10.0.0.7\n      user: x\n      password: file:{secret}\n")
    assert complaint(path).endswith(
        f"{path}:6: host c1: password file {secret}: its mode is 0644 and others may read it; run: chmod 600 {secret}"
    )


def test_an_empty_password_file(write: Write, tmp_path: Path) -> None:
    """A password file without a password is a fault."""
    secret = tmp_path / "bmc"
    secret.write_text("\n")
    secret.chmod(0o600)
    path = write(f"{C1}      address: 10.0.0.7\n      user: x\n      password: file:{secret}\n")
    assert complaint(path).endswith(f"password file {secret} is empty; write the password into it")


def test_all_faults_are_reported_together(write: Write) -> None:
    """One look at the message shows every fault, in the order of the file."""
    path = write(
        f"{C1}      address: nowhere!\n      port: x\n      user: a\n"
        f"  c2:\n    ipmi:\n      address: 10.0.0.8\n      colour: red\n{LOGIN}"
    )
    head, *faults = complaint(path).split("\n  ")
    assert head == f"cannot use the fencing inventory {path}, 4 faults:"
    assert [fault.removeprefix(f"{path}:")[:22] for fault in faults] == [
        '4: host c1: address "n',
        "4: host c1: password i",
        "5: host c1: port must ",
        "10: host c2: unknown k",
    ]


def test_a_fault_of_the_defaults_is_reported_once(write: Write) -> None:
    """What is wrong with the defaults is said of them, and not of every host that uses them."""
    path = write(
        "defaults:\n  ipmi:\n    user: admin\n    password: env:NOT_SET\n"
        "hosts:\n  c1:\n    ipmi: {address: 10.0.0.7}\n  c2:\n    ipmi: {address: 10.0.0.8}\n"
    )
    assert complaint(path).endswith(
        f"1 fault:\n  {path}:4: defaults: ipmi: environment variable NOT_SET is not set; set it for the service"
    )
