"""config-flags: what is merged, what is refused, and that nothing dangerous comes through."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masakari_charm import flags
from vmha.options import OPTIONS, Option
from vmha.settings import _oslo_option


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("osapi_max_limit=500", (("DEFAULT", "osapi_max_limit", "500"),)),
        ("recovery.move_attempts=2", (("recovery", "move_attempts", "2"),)),
        (
            "cors.allowed_origin=https://a,https://b,engine.poll_seconds=2",
            (("cors", "allowed_origin", "https://a,https://b"), ("engine", "poll_seconds", "2")),
        ),
        (" rpc_response_timeout = 30 , ", (("DEFAULT", "rpc_response_timeout", "30"),)),
        ("oslo_policy.policy_file=a=b.yaml", (("oslo_policy", "policy_file", "a=b.yaml"),)),
        ("osapi_max_limit=1,osapi_max_limit=2", (("DEFAULT", "osapi_max_limit", "2"),)),
    ],
)
def test_what_is_taken(text: str, expected: flags.Flags) -> None:
    """Keys with and without a group, commas and equal signs within values, space around, the last of two."""
    assert flags.parse(text) == (expected, ())


@pytest.mark.parametrize(
    ("text", "words", "fix"),
    [
        ("database.connection=sqlite://", "[database] connection", "remove"),
        ("keystone_authtoken.password=x", "[keystone_authtoken] password", "remove"),
        ("transport_url=rabbit://", "[DEFAULT] transport_url", "remove"),
        ("os_privileged_user_password=x", "os_privileged_user_password", "remove"),
        ("fencing.inventory=/tmp/x", "[fencing] inventory", "remove"),
        ("auth_strategy=noauth2", "auth_strategy", "remove"),
        ("nova_api_insecure=true", "nova_api_insecure", "remove"),
        ("debug=true", "[DEFAULT] debug", "use debug"),
        ("guards.brake_hosts=9", "brake_hosts", "use brake-hosts"),
        ("recovery.move_atempts=2", "no option of the service", "correct the name"),
        ("recovery.move_attempts=99", "cannot be '99'", "from 1 to 20"),
        ("recovery.move_seconds=nan", "cannot be 'nan'", "a number from"),
        ("host_failure.ignore_instances_in_error_state=maybe", "cannot be 'maybe'", "true or false"),
        ("no equal sign", "is no key", "key=value"),
        ("a.b.c=1", "is no key", "key=value"),
        ("[x]=1", "is no key", "key=value"),
        ("a=1\n[database]\nconnection=sqlite://", "line break", "one line"),
    ],
)
def test_what_is_refused(text: str, words: str, fix: str) -> None:
    """A flag that would break something is refused with a reason and a fix."""
    taken, refused = flags.parse(text)
    assert taken == ()
    assert words in refused[0].what
    assert fix in refused[0].fix


CASES = (str.lower, str.upper, str.title, str.swapcase)


@pytest.mark.parametrize("change", CASES, ids=["lower", "upper", "title", "swapped"])
@pytest.mark.parametrize(
    "place",
    [
        *sorted(flags.SET_BY_CHARM),
        *sorted(flags.SET_BY_OPTION),
        *((group, "password") for group in flags.RELATIONS_OWN),
    ],
    ids=".".join,
)
def test_the_case_of_a_group_does_not_count(place: tuple[str, str], change: Callable[[str], str]) -> None:
    """What the charm, an option or a relation sets is refused however its group is written: oslo.config ignores the case."""
    group, name = place
    taken, refused = flags.parse(f"{change(group)}.{name}=x")
    assert taken == ()
    assert f"[{group}] {name}" in refused[0].what


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RECOVERY.move_attempts=2", (("recovery", "move_attempts", "2"),)),
        ("Cors.allowed_origin=https://a", (("cors", "allowed_origin", "https://a"),)),
        ("default.osapi_max_limit=5,osapi_max_limit=6", (("DEFAULT", "osapi_max_limit", "6"),)),
        ("cors.max_age=1,CORS.max_age=2", (("cors", "max_age", "2"),)),
    ],
)
def test_a_group_is_written_in_one_form(text: str, expected: flags.Flags) -> None:
    """Groups are lower case, but for DEFAULT, so that two ways to write one are one section."""
    assert flags.parse(text) == (expected, ())


def test_an_unknown_name_is_a_slip_in_any_case() -> None:
    """A group of the service is known as such however it is written."""
    taken, refused = flags.parse("RECOVERY.nonsense=1")
    assert taken == ()
    assert "[recovery] nonsense is no option of the service" in refused[0].what


def test_what_the_charm_sets_exists() -> None:
    """The lists name options that there are, where they are the service's own."""
    known = {(option.group, option.name) for option in OPTIONS}
    foreign = {"database", "oslo_middleware", "oslo_messaging_rabbit"}
    listed = {*flags.SET_BY_CHARM, *flags.SET_BY_OPTION}
    assert {place for place in listed if place[0] not in foreign} - known == {("DEFAULT", "transport_url")}
    # No relation brings these; whoever puts a token into the URL of a webhook lets it be read with the charm's options.
    operators_own = {("alerts", "webhooks"), ("alerts", "proxy")}
    assert {(option.group, option.name) for option in OPTIONS if option.secret} - operators_own <= flags.SET_BY_CHARM


@given(
    option=st.sampled_from(OPTIONS),
    value=st.text(max_size=8)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["true", "No", "ON", "wait", "rebuild", "keystone", "1e3", "0x10", " 5 ", "1_0", "inf"]),
)
def test_the_service_agrees_with_what_is_taken(option: Option, value: str) -> None:
    """A value is taken exactly where the service's own reading takes it; an empty one is refused, since it would set nothing."""
    value = value.strip()  # as every value of a flag is
    try:
        found = _oslo_option(option).type(value)
    except ValueError:
        taken = False
    else:
        # To the service, a number of spaces alone is none at all.
        is_there = value != "" and found is not None
        taken = is_there and (not isinstance(found, float) or math.isfinite(found))
    assert flags.is_allowed(option, value) == taken


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            ["a=1", "x.y=2", "database.connection=3", "DataBase.connection=3", "debug=1", "Default.debug=1", ",", "b"]
        )
    ).map(",".join)
)
def test_no_text_comes_through_unsafe(text: str) -> None:
    """Whatever is written, what is taken is one line each, and never what the charm sets."""
    taken, _ = flags.parse(text)
    for group, name, value in taken:
        assert name.isidentifier()
        assert group.isidentifier()
        assert "\n" not in value
        assert "\r" not in value
        assert (group, name) not in {*flags.SET_BY_CHARM, *flags.SET_BY_OPTION}
        assert group != "keystone_authtoken"
        assert group in ("DEFAULT", group.lower())
