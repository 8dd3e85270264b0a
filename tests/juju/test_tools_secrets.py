"""The contract of the secret tools: arguments, output and error text, each in a process of its own."""

from __future__ import annotations

import json

from tests.juju.conftest import Desk
from tests.juju.standin.context import Hook

UPDATE = Hook(kind="update-status")


def add(desk: Desk, line: str = "secret-add --label token token=first") -> str:
    """Add a secret, let the hook succeed, and return the id."""
    code, output, errors = desk(line)
    assert (code, errors) == (0, "")
    desk.context.flush()
    return output.strip()


def test_secret_add_prints_an_id(desk: Desk) -> None:
    """secret-add prints secret:<20 letters>; the secret is there for others once the hook has succeeded."""
    code, output, errors = desk("secret-add token=first")
    assert (code, errors) == (0, "")
    assert output.startswith("secret:")
    assert len(output) == len("secret:") + 20 + 1
    assert not desk.model.secrets
    assert desk(f"secret-get {output.strip()}") == (0, "token: first\n", "")
    desk.context.flush()
    assert desk.model.secrets


def test_secret_add_reads_files_and_base64(desk: Desk) -> None:
    """A value may stand in a file or be encoded."""
    (desk.folder / "value").write_text("from a file\n")
    identifier = add(desk, f"secret-add --owner unit one#file={desk.folder}/value two#base64=c2Vjb25k")
    code, output, _ = desk(f"secret-get {identifier} --format=json")
    assert code == 0
    assert json.loads(output) == {"one": "from a file\n", "two": "second"}


def test_secret_add_refuses(desk: Desk) -> None:
    """Nothing to keep, a bad key, an unknown rotation or owner, and a follower that adds for the application."""
    assert desk("secret-add") == (2, "", "ERROR missing secret value or filename\n")
    assert desk("secret-add token") == (2, "", 'ERROR key value "token" not valid\n')
    assert desk("secret-add to=1") == (2, "", 'ERROR key "to" not valid\n')
    assert desk("secret-add --rotate sometimes token=1") == (2, "", 'ERROR rotate policy "sometimes" not valid\n')
    assert desk("secret-add --owner model token=1") == (2, "", 'ERROR secret owner "model" not valid\n')
    desk.enter("sample/1", UPDATE)
    assert desk("secret-add token=1") == (1, "", "ERROR this unit is not the leader\n")


def test_secret_get_follows_a_revision(desk: Desk) -> None:
    """A reader keeps the revision that it first saw until it refreshes; --peek shows the newest just once."""
    identifier = add(desk)
    assert desk(f"secret-grant {identifier} -r web:1") == (0, "", "")
    desk.context.flush()
    desk.enter("far/0", UPDATE)
    assert desk(f"secret-get {identifier}") == (0, "token: first\n", "")
    desk.enter("sample/0", UPDATE)
    assert desk(f"secret-set {identifier} token=second") == (0, "", "")
    desk.context.flush()
    desk.enter("far/0", UPDATE)
    assert desk(f"secret-get {identifier}") == (0, "token: first\n", "")
    assert desk(f"secret-get {identifier} --peek") == (0, "token: second\n", "")
    assert desk(f"secret-get {identifier}") == (0, "token: first\n", "")
    assert desk(f"secret-get {identifier} --refresh --label mine") == (0, "token: second\n", "")
    assert desk("secret-get --label mine") == (0, "token: second\n", "")


def test_secret_get_refuses(desk: Desk) -> None:
    """A secret must be named, be there and be granted; --peek and --refresh exclude each other."""
    identifier = add(desk)
    assert desk("secret-get") == (2, "", "ERROR require either a secret URI or label\n")
    assert desk(f"secret-get {identifier} --peek --refresh") == (
        2,
        "",
        "ERROR specify one of --peek or --refresh but not both\n",
    )
    assert desk("secret-get nonsense") == (2, "", 'ERROR secret URI "nonsense" not valid\n')
    absent = "d9999999999999999999"
    assert desk(f"secret-get secret:{absent}") == (1, "", f'ERROR secret "{absent}" not found\n')
    assert desk("secret-get --label absent") == (1, "", 'ERROR consumer label "absent" not found\n')
    assert desk(f"secret-get {identifier} absent") == (1, "", 'ERROR secret key value "absent" not found\n')
    desk.enter("far/0", UPDATE)
    assert desk(f"secret-get {identifier}") == (1, "", "ERROR permission denied\n")


def test_a_grant_ends_with_its_relation_or_by_revoke(desk: Desk) -> None:
    """What was granted through a relation can be taken back, and goes with the relation."""
    identifier = add(desk)
    desk(f"secret-grant {identifier} --relation 1 --unit far/0")
    desk.context.flush()
    desk.enter("far/0", UPDATE)
    assert desk(f"secret-get {identifier}")[0] == 0
    desk.enter("sample/0", UPDATE)
    assert desk(f"secret-revoke {identifier} --unit far/0") == (0, "", "")
    desk.context.flush()
    desk.enter("far/0", UPDATE)
    assert desk(f"secret-get {identifier}")[0] == 1
    desk.enter("sample/0", UPDATE)
    desk(f"secret-grant {identifier} -r 1")
    desk.context.flush()
    removed = desk.model.relations.pop(1)
    desk.enter("far/0", UPDATE)
    assert desk(f"secret-get {identifier}")[0] == 1
    desk.model.relations[1] = removed
    assert desk(f"secret-get {identifier}")[0] == 0


def test_secret_grant_and_revoke_refuse(desk: Desk) -> None:
    """Both need a secret and somebody, of the application at the other end."""
    identifier = add(desk)
    assert desk("secret-grant") == (2, "", "ERROR missing secret URI\n")
    assert desk(f"secret-grant {identifier}") == (2, "", "ERROR no relation id specified\n")
    wrong = 'ERROR cannot specify unit "other/0" in relation to application "far"\n'
    assert desk(f"secret-grant {identifier} -r 1 --unit other/0") == (2, "", wrong)
    assert desk(f"secret-revoke {identifier}") == (2, "", "ERROR missing relation or application or unit\n")
    desk.enter("sample/1", UPDATE)
    assert desk(f"secret-grant {identifier} -r 1") == (1, "", "ERROR this unit is not the leader\n")


def test_secret_info_get_shows_metadata_only(desk: Desk) -> None:
    """secret-info-get prints id -> revision, label, owner, rotation of an owned secret."""
    identifier = add(desk, "secret-add --label token --rotate daily --description why token=first")
    number = identifier.removeprefix("secret:")
    expected = {
        number: {"revision": 1, "label": "token", "owner": "application", "rotation": "daily", "description": "why"}
    }
    code, output, _ = desk("secret-info-get --label token --format=json")
    assert code == 0
    assert json.loads(output) == expected
    assert json.loads(desk(f"secret-info-get {identifier} --format=json")[1]) == expected
    assert desk(f"secret-info-get {identifier} --label token")[0] == 2
    assert desk("secret-info-get --label other") == (1, "", 'ERROR secret "other" not found\n')


def test_secret_ids_lists_what_the_unit_manages(desk: Desk) -> None:
    """secret-ids prints bare ids: the leader's of the application, each unit's own."""
    identifier = add(desk).removeprefix("secret:")
    assert desk("secret-ids --format=json") == (0, f'["{identifier}"]\n', "")
    desk.enter("sample/1", UPDATE)
    assert desk("secret-ids --format=json") == (0, "[]\n", "")


def test_secret_set_and_remove_belong_to_the_owner(desk: Desk) -> None:
    """Only the owner changes or removes a secret; a failed hook leaves it as it was."""
    identifier = add(desk)
    desk.enter("far/0", UPDATE)
    assert desk(f"secret-set {identifier} token=other") == (1, "", "ERROR permission denied\n")
    assert desk(f"secret-remove {identifier}") == (1, "", "ERROR permission denied\n")
    desk.enter("sample/0", UPDATE)
    assert desk(f"secret-remove {identifier}") == (0, "", "")
    assert desk.model.secrets
    desk.context.flush()
    assert not desk.model.secrets


def test_secret_remove_takes_one_revision(desk: Desk) -> None:
    """With --revision only that one goes; with the last the secret does."""
    identifier = add(desk)
    desk(f"secret-set {identifier} token=second")
    assert desk(f"secret-remove {identifier} --revision 1") == (0, "", "")
    desk.context.flush()
    (secret,) = desk.model.secrets.values()
    assert secret.revisions == {2: {"token": "second"}}
    assert desk("secret-remove") == (2, "", "ERROR missing secret URI\n")
