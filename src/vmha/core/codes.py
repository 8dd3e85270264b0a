"""The table of all reasons: one sentence per code, the same in log, API, timeline and on the terminal."""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    """Why something was done, or was not. The value is the sentence; names in braces are its facts."""

    OPENED = "{host} was reported stopped; looking for a second witness before anything is ordered"
    LEFT_BEHIND = (
        "upstream's engine left the report of {host} unfinished (notification {notification}, {status}): it counts as one that is "
        "made now"
    )
    REPORTED_AGAIN = "{host} was reported stopped again; notification {notification} joins this recovery"
    TAKEN_OVER = (
        "engine {engine} took this recovery over from {before}; power and migration records are read before any order"
    )
    RESUMED = "engine {engine} goes on with this recovery; power and migration records are read before any order"

    WITNESS_SILENT = "second witness: Nova has heard nothing of {host} for {seconds} s, and hears {others} of its peers"
    WITNESS_DOWN = "second witness: Nova says {host} is down, and hears {others} of its peers"
    NO_WITNESS_ALL_STALE = (
        "Nova is no witness for {host}: it hears few or no other compute services either; no power-off is ordered; check Nova's "
        "conductor and message queue, or confirm"
    )
    NO_WITNESS_NOVA_AWAY = "Nova is no witness for {host}: {detail}; no power-off is ordered; it is asked again every {seconds} s; check Nova"
    DISPUTED = (
        "{host} was reported stopped but Nova still hears it; nothing is ordered; check the monitor's network; reject if the host is "
        "well; a confirm counts only once Nova no longer hears it"
    )
    DISPUTE_OVER = "Nova has gone silent about {host}, so the report is no longer disputed"
    FALSE_ALARM = "Nova heard {host} for {seconds} s after it was reported stopped: taken for a false alarm, nothing was evacuated"
    CAME_BACK = (
        "{host} was off when it was reported, came back by itself, and Nova has heard it for {seconds} s: nothing was evacuated; see "
        "whether its instances run again, and start those that do not"
    )
    BRAKED = (
        "{failures} of {hosts} hosts of the segment failed within {seconds} s, more than the {allowed} that are fenced without a "
        "human: no power-off of {host}; check for a network or monitoring fault, then confirm each host that is dead"
    )

    GUARDS_PASSED = (
        "the guards let the power-off of {host} pass: failures of the segment within {window} s: {failures} ({allowed} are fenced without a "
        "human), power-offs of other hosts: {now} under way ({at_once} at once), {hour} within the hour ({per_hour}), {segment} of them in the "
        "segment ({per_segment}); earlier failures of {host} within {quarantine_window} s: {before} ({quarantine} make a quarantine)"
    )
    POWER_OFFS_AT_ONCE = (
        "no power-off of {host} yet: {spent} others are under way, and [guards] power_offs_at_once allows {allowed}; it goes on by itself when "
        "one of them is over; confirm if it is dead and may not wait"
    )
    POWER_OFFS_PER_HOUR = (
        "no power-off of {host}: {spent} hosts were powered off within an hour, and [guards] power_offs_per_hour allows {allowed}; look for a "
        "fault of the network or of the monitors; it goes on by itself when one of them is an hour old; confirm if it is dead, reject if it is well"
    )
    SEGMENT_POWER_OFFS_PER_HOUR = (
        "no power-off of {host}: {spent} hosts of its segment were powered off within an hour, and [guards] segment_power_offs_per_hour allows "
        "{allowed}; look for a fault of the network or of the monitors; it goes on by itself when one of them is an hour old; confirm if it is "
        "dead, reject if it is well"
    )
    BUDGET_FREE = "{host} may be powered off again within the budgets; looking for a second witness anew"
    QUARANTINED = (
        "{host} is in quarantine: it failed {failures} times before within {seconds} s, and [guards] quarantine_failures is {allowed}; nothing is "
        "ordered, whatever its BMC reads, before a human says so; find out why it keeps failing; confirm if it is dead: then it is fenced and its "
        "instances are evacuated; reject if it is well"
    )

    CONFIRM_WANTED = (
        "{host} was reported stopped, and the workflow for hosts of segment {segment} is confirm: nothing is ordered before a human says so; "
        "confirm if it is dead: then it is fenced and its instances are evacuated; reject if it is well"
    )
    ONLY_REPORTED = (
        "{what} was reported failed, and nothing is done: the workflow for a failed {failure} in segment {segment} is report; see what is to "
        "be done by hand"
    )
    ONLY_FENCED = (
        "{host} is fenced, and {left} instances are left on it: the workflow for hosts of segment {segment} is power_off; evacuate them by hand, "
        "or repair the host and let it back"
    )
    ONLY_FENCED_IN_DOUBT = (
        "{host} is fenced, and {left} instances are left on it: the workflow for hosts of segment {segment} is power_off; of {count} more a guest "
        "may be elsewhere ({places}): look there before one of these is evacuated or started by hand, or it runs twice"
    )
    NOT_EVACUATED = "{name} ({instance}) is left where it is: the workflow for hosts of segment {segment} is power_off"
    INSTANCE_CONFIRM_WANTED = (
        "{name} ({instance}) on {host} would be restarted, and the workflow for instances of segment {segment} is confirm: nothing is ordered "
        "before a human says so; confirm restarts it, reject leaves it as it is"
    )
    PROCESS_CONFIRM_WANTED = (
        "{host} would be {deed} in Nova, since its nova-compute {state}, and the workflow for processes of segment {segment} is confirm: nothing "
        "is ordered before a human says so; reject leaves it as it is"
    )

    POWER_OFF_ORDERED = "power-off of {host} ordered (order {number})"
    POWER_OFF_TAKEN = "BMC {address} took the power-off of {host}; only readings prove it"
    POWER_OFF_REFUSED = "BMC {address} did not take the power-off of {host}: {detail}"
    FENCED = "{host} is proven off: its BMC {address} read OFF twice, {seconds} s apart, after the order"
    FOUND_OFF = "{host} is proven off without an order: its BMC {address} read OFF twice, {seconds} s apart, and Nova does not hear it"
    HUMAN_PROOF = "{host} is taken for off on the word of {by}: {why}"
    DETECTOR_BELIEVED = (
        "there is no proof that {host} is off: it has no fence device, and its instances are evacuated on the word of its monitor alone "
        "(notification {notification}, host_status NORMAL), as segment {segment} has policy = detector; Nova has not heard it for "
        "{seconds} s; what still runs on it will run twice"
    )
    NO_DEVICE = (
        "cannot prove {host} off: it has no fence device; add it to the fencing inventory and restart the engine, or make sure "
        "yourself that it is off and confirm with --host-is-off"
    )
    BMC_SILENT = (
        "cannot prove {host} off: {detail}; nothing is evacuated until the BMC answers, or you make sure yourself that the host is "
        "off and confirm with --host-is-off"
    )
    BMC_BAD_CREDENTIALS = (
        "cannot prove {host} off: {detail}; nothing is evacuated until the BMC takes our password, or you make sure yourself that "
        "the host is off and confirm with --host-is-off"
    )
    BMC_WRONG_IDENTITY = (
        "refused to fence {host}: {detail}; nothing is evacuated until the two agree, or you make sure yourself that the host is "
        "off and confirm with --host-is-off"
    )
    BMC_ERROR = (
        "cannot prove {host} off: {detail}; nothing is evacuated until the BMC gives readings, or you make sure yourself that the "
        "host is off and confirm with --host-is-off"
    )
    SILENT_SINCE_ON = (
        "cannot prove {host} off: the last reading of its BMC was ON, and now {detail}; nothing is evacuated; mend the BMC or cut the "
        "host's power by other means; confirm begins another round of fencing"
    )
    SILENT_STILL = (
        "cannot prove {host} off: the last reading of its BMC was ON, and it gave none in all of another round: {detail}; nothing is "
        "evacuated; make sure yourself that the host is off, and confirm with --host-is-off: then your word is the proof"
    )
    STAYS_ON = (
        "cannot prove {host} off: after {orders} power-off orders its BMC {address} still reads ON; nothing is evacuated; "
        "cut its power by other means; the recovery goes on by itself once it reads OFF twice; confirm orders the power-off again"
    )
    OFF_UNWITNESSED = (
        "cannot prove {host} off: its BMC {address} reads OFF, but Nova hears few or no compute services and cannot say that the host "
        "is silent; nothing is evacuated; the recovery goes on by itself once Nova hears the others; check Nova's conductor and "
        "message queue, or make sure yourself that the host is off and confirm with --host-is-off"
    )
    FENCE_TIMEOUT = (
        "cannot prove {host} off: no two readings of OFF within {seconds} s; nothing is evacuated; check the BMC; the recovery goes "
        "on by itself once it reads OFF twice"
    )
    CONTRADICTED = (
        "cannot prove {host} off: its BMC {address} reads OFF but Nova keeps hearing the host, so the BMC is wrong or belongs to "
        "another machine; nothing more is evacuated; check the inventory; reject if the host is well, or power it off by hand and "
        "confirm once Nova hears it no more"
    )
    WORD_OVERTAKEN = (
        "Nova heard {host} after it was taken for off on {whose} word, which counts no more: nothing more is evacuated; see whether its "
        "instances run twice; reject if the host is well, or power it off by hand and confirm once Nova hears it no more"
    )
    BMC_BACK = "the BMC of {host} reads ON, and Nova does not hear the host: fencing goes on"
    SIGN_OF_LIFE = "Nova heard {host} after the proof: the proof is suspended and power is read again"
    HOST_RETURNED = (
        "{host} reads ON after it was proven off: the proof is revoked and no more instances are moved ({moved} moved, {left} left); "
        "somebody or its BMC powered it on; while Nova does not hear it, confirm powers it off again and goes on; reject leaves it as "
        "it is"
    )
    PROOF_EXPIRED = (
        "the proof for {host} is too old ({seconds} s): no more instances are moved until its BMC reads OFF again"
    )
    WORD_EXPIRED = (
        "the word on which {host} was taken for off is too old ({seconds} s): no more instances are moved; make sure yourself that it is off "
        "and confirm with --host-is-off, or reject"
    )
    CLOCK_SET_BACK = (
        "the proof for {host} was read {seconds} s in the future: the database's clock was set back; no more instances are moved until "
        "power is read anew; keep the clocks of the database's servers in step"
    )
    NOT_SENT = "the evacuation of {name} ({instance}) was held back: {detail}; power is read before it is ordered again"

    FORCED_DOWN = "Nova holds {host} for down and disabled"
    FORCE_DOWN_FAILED = "cannot force {host} down in Nova: {detail}; tried again in {seconds} s"
    SURVEY_FAILED = "cannot list what runs on {host}: {detail}; tried again in {seconds} s"
    HIDDEN_INSTANCES = (
        "Nova lists {listed} instances on {host} but Placement knows {hidden} more ({names}): a cell may be down; asked again in "
        "{seconds} s; the recovery does not end before they agree"
    )
    NO_PROVIDER = (
        "Nova lists no instances on {host}, but Placement knows no resource provider of that host to agree; asked again in {seconds} s; "
        "check the host's provider, or reject"
    )
    NOTHING_TO_MOVE = "no instance is on {host}, and Placement agrees"
    PRIORITY_UNREADABLE = (
        "the priority of {count} instances ({some}) is no whole number from 0 to {highest}: it counts as {default}; write a number into "
        "{key} there"
    )
    TAG_UNREADABLE = "the metadata {key} of {count} instances ({some}) is neither true nor false: it counts as false; write True or False there"
    IMAGES_UNREADABLE = (
        "cannot read the properties of images: {detail}; an instance whose priority stands there alone counts as {default}; see that "
        "Glance answers, or set [recovery] read_images = false"
    )
    PLANNED = "instances on {host}: {total}, of which {moving} to move, {held} held, {skipped} left alone, {failed} given to a human"
    AWAITED = "{host} is kept proven off for {seconds} s more: instances of other hosts were on their way to it, and may now go elsewhere"
    RESERVED_CLAIMED = "reserved host {reserved} takes the instances of {host}"
    RESERVED_PASSED = (
        "reserved hosts are passed over that cannot take anything ({names}): Nova holds them for down, or Placement knows no provider "
        "of them"
    )
    RESERVED_READY = "reserved host {reserved} is enabled"
    RESERVED_FAILED = "reserved host {reserved} cannot be enabled: {detail}"
    NO_RESERVED = (
        "{name} ({instance}) is not moved: no reserved host with room for it is left in the segment; evacuate it by hand, or add a "
        "reserved host, take the failed one off maintenance and report it again"
    )

    NOT_LISTED = (
        "Nova's list of {host} lacks {name} ({instance}), and Nova does not say where it is: its cell may be down; it is asked again every "
        "{seconds} s, and nothing is ordered for the instance meanwhile"
    )

    EVACUATION_ORDERED = "evacuation of {name} ({instance}) ordered, to {target}"
    EVACUATION_ACCEPTED = "Nova took the evacuation of {name} ({instance})"
    EVACUATION_REFUSED = "Nova refused to evacuate {name} ({instance}): {detail}"
    EVACUATION_UNANSWERED = "no answer to the evacuation of {name} ({instance}): {detail}; Nova's migration records are read before it is repeated"
    EVACUATION_FOUND = "Nova had taken the evacuation of {name} ({instance}): migration {migration}"
    EVACUATION_NOT_TAKEN = "Nova had not taken the evacuation of {name} ({instance}); it is ordered again"
    LANDED = "{name} ({instance}) landed on {destination}"
    MOVED = "{name} ({instance}) runs on {destination}"
    MOVE_FAILED_RETRY = "evacuation of {name} ({instance}) failed ({detail}); tried again in {seconds} s"
    MOVE_ELSEWHERE = "{name} ({instance}) did not get to run there ({detail}); it is ordered elsewhere at once"
    MOVE_FAILED = "{name} ({instance}) could not be moved: {detail}"
    NO_CAPACITY = (
        "{name} ({instance}) could not be moved: Nova found no host for it in {attempts} attempts within {seconds} s; of all that wait for "
        "room: {missing}"
    )
    NO_CAPACITY_NOW = (
        "{count} of {total} instances of {host} find no room now ({names}): {missing}; they are tried again for {seconds} s in all; add "
        "capacity"
    )
    DIAGNOSED = "why {name} ({instance}) could not be moved: cause {cause}: {evidence}; next: {next}"
    STALLED = (
        "{name} ({instance}) is stalled: its guest may be on {suspects}, which is not proven off; it is ordered nowhere else until it "
        "is; look there for it; only where it does not run, reject and evacuate it by hand"
    )
    LOCAL_DISK = (
        "{name} ({instance}) is not moved: its disk may exist on {host} only; bring the host back and reject, or set [recovery] local_disk = "
        "rebuild (loses what was written since the image) or shared_storage = true (if the disks are shared)"
    )
    NO_GUEST = "{name} ({instance}) is left alone: in state {state} it has no guest on {host}"
    ASK = "{name} ({instance}) cannot be moved in state {state}: Nova refuses to evacuate it; reset its state and evacuate it by hand"
    IGNORED_ERROR_STATE = (
        "{name} ({instance}) is left alone: it is in state error and ignore_instances_in_error_state is set"
    )
    NOT_TAGGED = (
        "{name} ({instance}) is left alone: its metadata has no {key} = True, and evacuate_all_instances is not set"
    )
    GONE = "{name} ({instance}) is no longer on {host}: deleted or moved by its owner"
    MOVING = "{done} of {total} instances of {host} are settled"
    HELD = "{count} of {total} instances of {host} wait: {first}"
    NOVA_AWAY = "cannot follow the moves from {host}: {detail}; asked again in {seconds} s"
    NOVA_BACK = "Nova answers again about {host}"

    LEFT_UNRECOVERED = "{host} is not recovered: {detail}"
    HOST_ON_MAINTENANCE = (
        "{host} was reported stopped, and nothing is done: it is on maintenance; if that is over, let its failure be taken with "
        "openstack segment host update --on_maintenance False {segment} {host_uuid}, and report it again"
    )
    INSTANCE_FAILED = "instance {instance} on {host} was reported failed ({event}); it is looked up"
    INSTANCE_REPORTED_AGAIN = "the instance was reported failed again; notification {notification} joins this recovery"
    INSTANCE_UNREADABLE = "cannot read how {name} ({instance}) stands: {detail}; asked again in {seconds} s; check Nova"
    INSTANCE_GONE = "nothing was done: Nova knows no instance {instance} any more"
    INSTANCE_NOT_TAGGED = "nothing was done: the metadata of {name} ({instance}) has no {key} = True, and process_all_instances is not set"
    INSTANCE_LEFT = "nothing was done: {name} ({instance}) is in state {state}"
    INSTANCE_LEFTOVER = (
        "nothing was done: upstream's engine was told of the failure of {name} ({instance}) and left it unfinished; Nova holds the instance for "
        "{state} now, and it may be well by now. If it is not, restart it: openstack server reboot --hard {instance}"
    )
    INSTANCE_CANNOT = (
        "{name} ({instance}) cannot be restarted in state {state}: bring it out of that by hand (resume, unshelve, confirm its resize), and "
        "look whether it runs"
    )
    INSTANCE_ELSEWHERE = "nothing was done: {name} ({instance}) is on {now}, and {host} reported it"
    INSTANCE_MOVING = (
        "nothing was done: migration {migration} of {name} ({instance}) from {source} to {destination} is under way"
    )
    INSTANCE_SUSPECT = (
        "{name} ({instance}) was not restarted: by an earlier move a guest of it may be on {suspects}, which is not proven off; look there "
        "for it, and restart it by hand; a move that succeeds settles that"
    )
    INSTANCE_BUSY = "{name} ({instance}) is busy ({task}); it is looked at again until {seconds} s are over"
    INSTANCE_STAYS_BUSY = (
        "{name} ({instance}) was not restarted: it was busy ({task}) for {seconds} s; see what Nova does with it"
    )
    INSTANCE_HOST_DOWN = "{name} ({instance}) is not restarted yet: Nova does not hold {host} for up; looked at again until {seconds} s are over"
    INSTANCE_HOST_STAYS_DOWN = (
        "{name} ({instance}) was not restarted: Nova did not hold {host} for up for {seconds} s; look after the host"
    )
    RESTART_LIMIT = (
        "{name} ({instance}) was not restarted: it was started {count} times within the last hour, and no more than {limit} times are "
        "allowed ([recovery] instance_restarts_per_hour); see why it fails, then start it by hand"
    )
    STOP_ORDERED = "stop of {name} ({instance}) on {host} ordered"
    STOP_TAKEN = "Nova took the stop of {name} ({instance})"
    START_ORDERED = "start of {name} ({instance}) on {host} ordered: Nova holds it for stopped there"
    START_TAKEN = "Nova took the start of {name} ({instance})"
    GUEST_ORDER_REFUSED = "Nova refused the order about {name} ({instance}): {detail}; it is looked up"
    GUEST_ORDER_UNANSWERED = (
        "no answer to the order about {name} ({instance}): {detail}; it is looked up before anything more is ordered"
    )
    GUEST_ORDER_NOT_SENT = "the order about {name} ({instance}) was held back: {detail}; it is looked up first"
    GUEST_ORDER_NOT_TAKEN = "Nova had not taken the order about {name} ({instance}); it is looked up closely"
    GUEST_STOPPED = "{name} ({instance}) is stopped"
    RESTARTED = "{name} ({instance}) runs again on {host}, {seconds} s after it was reported"
    NOT_STOPPED = "{name} ({instance}) could not be stopped: {detail}; stop and start it by hand, by force if need be"
    NOT_STARTED = "{name} ({instance}) could not be started: {detail}; look at its fault in Nova, and start it by hand"
    INSTANCE_AWAITS = (
        "{name} ({instance}) waits for the recovery {recovery} of {host}; nothing is ordered for it meanwhile"
    )
    INSTANCE_AWAITED = "the recovery {recovery} of the host has ended; {name} ({instance}) is looked up"
    INSTANCE_ABSORBED = (
        "nothing more was done: {name} ({instance}) runs on {now} since the recovery {recovery} of {host} has ended"
    )
    INCIDENT_TAKEN_OVER = (
        "engine {engine} took this over from {before}; Nova is asked how things stand before any order"
    )
    INCIDENT_RESUMED = "engine {engine} goes on with this; Nova is asked how things stand before any order"
    PROCESS_STOPPED = "{process} on {host} was reported stopped; its compute service is looked up"
    PROCESS_STARTED = "{process} on {host} was reported running; its compute service is looked up"
    SERVICE_UNREADABLE = (
        "cannot read how the compute service of {host} stands: {detail}; asked again in {seconds} s; check Nova"
    )
    SERVICE_UNKNOWN = (
        "Nova has no compute service on {host}, so nothing is disabled or enabled; compare the host's name with Nova's"
    )
    DISABLE_ORDERED = "disabling of the compute service of {host} ordered: {process} stopped"
    ENABLE_ORDERED = (
        "enabling of the compute service of {host} ordered: {process} runs again, and it was disabled by us"
    )
    SERVICE_CHANGED = "Nova changed the compute service of {host}; it is read once more"
    SERVICE_NOT_CHANGED = "Nova did not change the compute service of {host}: {detail}"
    SERVICE_UNANSWERED = (
        "no answer about the compute service of {host}: {detail}; it is read before anything more is ordered"
    )
    SERVICE_NOT_SENT = (
        "the order about the compute service of {host} was held back: {detail}; the service is read first"
    )
    SERVICE_DISABLED = "the compute service of {host} is disabled, since {process} stopped: Nova starts nothing new there; what runs there runs on"
    SERVICE_ENABLED = "the compute service of {host} is enabled, since {process} runs again"
    ALREADY_DISABLED = (
        "nothing was done: {process} on {host} stopped, and the compute service was disabled before ({why})"
    )
    ALREADY_ENABLED = "nothing was done: {process} on {host} runs, and the compute service is enabled"
    DISABLED_BY_OTHERS = (
        "nothing was done: {process} on {host} runs, but the compute service was not disabled by us ({why}); enable it by hand once "
        "that is over"
    )
    NOT_DISABLED = "cannot disable the compute service of {host}: {detail}; see why, and disable it by hand: openstack compute service set --disable"
    NOT_ENABLED = "cannot enable the compute service of {host}: {detail}; see why, and enable it by hand: openstack compute service set --enable"
    SERVICE_FORCED_DOWN = (
        "nothing was done: {process} on {host} runs, but its compute service is forced down; where a recovery of the host did that, let the "
        "host back: masakari-manage host return {host}, which also enables what we disabled"
    )
    PROCESS_AWAITS = (
        "{process} on {host} runs again; its compute service, which we disabled, is looked up once the recovery {recovery} of the host has "
        "ended"
    )
    PROCESS_AWAITED = "the recovery of {host} has ended: its compute service is looked up"
    PROCESS_ABSORBED = "nothing is done for {process} on {host}: the recovery {recovery} of the host itself is open"

    PROMISE_BROKEN = "recovery of {host} stopped, since going on would break a promise: {detail}; report this, and recover the host by hand"
    CONFIRMED = "{by} confirmed: {why}"
    REJECTED = "{by} rejected: {why}; nothing more is done for {host}"
    REJECTED_MIDWAY = (
        "{by} rejected: {why}; nothing more is done for {host}, of whose {total} instances {left} were not moved; it stays forced down "
        "and disabled in Nova until you change that"
    )
    REJECTED_POWERED_OFF = (
        "{by} rejected: {why}; nothing more is done for {host}, but {orders} power-offs of it were ordered before: {power}; where it is off "
        "its instances are down, and Nova may not know that yet; read its power (masakari-manage fencing check), and switch it on, or report "
        "it again if it is dead"
    )
    REJECTED_IN_DOUBT = (
        "{by} rejected: {why}; nothing more is done for {host}, of whose {total} instances {left} were not settled; of {count} of them a guest "
        "may be elsewhere ({places}): look there before one of these is evacuated or started by hand, or it runs twice; {host} stays forced "
        "down and disabled in Nova until you change that"
    )
    PAUSED = "{by} paused the recovery of {host}: {why}; nothing is ordered until somebody resumes it; what Nova already works on is followed"
    PAUSE_OVER = "{by} resumed the recovery: {why}"
    PAUSE_NOT_TAKEN = "the pause of {by} changes nothing: the recovery is paused or cancelled already"
    RESUME_NOT_TAKEN = "the resume of {by} changes nothing: no human has paused the recovery"
    DISARMED = "nothing is ordered for {host}: {by} disarmed {scope} until {until}: {why}; it goes on by itself then, or with masakari-manage arm"
    DISARM_OVER = "{scope}: armed again, since the time is over for which {by} disarmed it ({why})"
    ARMED_AGAIN = "{host} is armed again: the recovery goes on"
    INSTANCE_DISARMED = "{name} ({instance}) is left as it is: {by} disarmed {scope} until {until}: {why}; it goes on then, or by masakari-manage arm"
    INSTANCE_ARMED = "the host of {name} ({instance}) is armed again: the instance is looked at anew"
    PROCESS_DISARMED = "{host}'s service is left as it is: {by} disarmed {scope} until {until}: {why}; it goes on then, or by masakari-manage arm"
    PROCESS_ARMED = "{host} is armed again: its service is looked at anew"
    CANCELLED = (
        "{by} cancelled: {why}; nothing more is ordered for {host}; what Nova already works on is followed to its end"
    )
    CANCELLED_MOVE = "{name} ({instance}) is not moved: {by} cancelled the recovery"
    CANCELLED_EARLY = "{by} cancelled: {why}; nothing more is done for {host}"
    CANCELLED_MIDWAY = (
        "{by} cancelled: {why}; {moved} of {total} instances of {host} moved; it stays forced down and disabled in Nova until you change "
        "that"
    )
    CANCELLED_POWERED_OFF = (
        "{by} cancelled: {why}; nothing more is done for {host}, but {orders} power-offs of it were ordered before: {power}; where it is off "
        "its instances are down, and Nova may not know that yet; read its power (masakari-manage fencing check), and switch it on, or report "
        "it again if it is dead"
    )
    CANCELLED_IN_DOUBT = (
        "{by} cancelled: {why}; {moved} of {total} instances of {host} moved, and of {count} a guest may be elsewhere ({places}): look there "
        "before one of these is evacuated or started by hand, or it runs twice; {host} stays forced down and disabled in Nova until you "
        "change that"
    )
    LEFT_IN_DOUBT = (
        "{why}; but a guest of it may be on {suspects}, which is not proven off: look there first, and neither evacuate nor start it by hand "
        "before that, or it runs twice"
    )
    CONFIRM_HALTED = "the confirm of {by} changes nothing: the recovery is halted; let it go on first"
    CONFIRM_REFUSED_ALIVE = (
        "the confirm of {by} is refused: Nova heard {host} {seconds} s ago; reject if it is well; if it has to go, power it off by "
        "hand, and the recovery goes on once it reads OFF and Nova hears it no more"
    )
    CONFIRM_NOT_OF_POWER = (
        "the confirm of {by} is no proof that {host} is off: it may answer another question, that was asked before; make sure yourself that "
        "the host is off, and say so: masakari-manage recovery confirm --host-is-off"
    )
    CONFIRM_NOT_ASKED = "the word of {by} changes nothing: the recovery waits for no human now"
    CONFIRM_HELD = "the confirm of {by} changes nothing: what is held needs what its reason names; reject gives it up"
    RECOVERED = "recovered {host} in {seconds} s: {moved} of {total} instances moved, {others} left alone or gone; proof: {proof}"
    ENDED_FAILED = "{failed} of {total} instances of {host} could not be moved: {first}"

    RETURN_RECOVERY_OPEN = (
        "recovery {recovery} of {host} is open, in phase {phase}; wait for its end, or confirm or reject it"
    )
    RETURN_TOO_SOON = "recovery {recovery} of {host} ended {seconds} s ago, and an order of it may still be on its way; try again in {wait} s"
    RETURN_HELD = "{by} is letting {host} back, since {seconds} s; wait for that, or try again in {wait} s"
    RETURN_CLAIMED = (
        "{host} stands in for another host, whose recovery {recovery} is open; wait for its end, and try again"
    )
    RETURN_CHANGED = "{host} failed again while it was looked at; nothing was changed; look at its recovery"
    RETURN_UNREADABLE = (
        "recovery {recovery} of {host} was written by a newer version and cannot be read: {detail}; use that version"
    )
    RETURN_NOVA_AWAY = (
        "what is left on {host} cannot be seen: {detail}; check that Nova and Placement answer, and try again"
    )
    RETURN_NO_SERVICE = "Nova has no compute service on {host}; start its nova-compute; for a host that is gone for good there is host retire"
    RETURN_SILENT = (
        "Nova heard nothing of {host} for {seconds} s; start its nova-compute, and check its log and the message bus"
    )
    RETURN_READS_OFF = "BMC {address} reads OFF for {host}; switch the host on; where it is on, correct the inventory: the BMC is another machine's"
    RETURN_MOVING = "{count} evacuations from {host} are not over ({names}); wait for them, and look at openstack server migration list"
    RETURN_NOT_CLEANED_UP = (
        "the nova-compute of {host} has not removed what was evacuated from there: {count} instances ({names}); it does so when it "
        "starts: restart it"
    )
    RETURN_HIDDEN = (
        "Placement knows {count} consumers on {host} that Nova's lists do not explain ({names}); bring the cell back, or delete the "
        "allocations of what is gone"
    )
    RETURN_NO_PROVIDER = "Placement knows no resource provider of {host}, so that nothing agrees with Nova's lists; check the log of its nova-compute"
    RETURN_LEFTOVERS = (
        "{count} guests run on {host} that Nova does not hold to be there ({names}); stop them there, and try again"
    )
    RETURN_UNINSPECTED = (
        "{host} was taken for off on a word alone, a human's or its monitor's, and no census says what runs there; look on the host "
        "that no guest of before is left (virsh list --all), and repeat it with the option inspected"
    )
    RETURN_NOT_EMPTY = (
        "{host} cannot be a reserve: {count} instances are on it ({names}); move them, or let it back as it was"
    )
    RETURN_NO_RESERVE = "{host} cannot be a reserve: somebody else forced it down; openstack compute service set --up {host} nova-compute"
    RETURN_NOT_TAKEN = "Nova did not take the change of {host}: {detail}; nothing was changed; try again"
    RETURN_UNANSWERED = (
        "Nova gave no answer to the change of {host}: {detail}; it may have been made; try again in {wait} s"
    )
    RETURN_TOO_SLOW = "the change of {host} took longer than it was held for; look at how it stands, and try again"

    RETURN_NO_CENSUS = (
        "no census reports what runs on {host}: that nothing of before is left is known from Nova's records alone"
    )
    RETURN_LEFT_DISABLED = (
        "{host} stays disabled, which was somebody else's doing (reason: {reason}); openstack compute service set --enable {host} "
        "nova-compute"
    )
    RETURN_LEFT_FORCED_DOWN = "{host} stays forced down, which was somebody else's doing; openstack compute service set --up {host} nova-compute"
    RETURN_LEFT_ON_MAINTENANCE = "{host} stays on maintenance, which was somebody else's doing; openstack segment host update --on_maintenance False"
    RETURN_STILL_THERE = (
        "{count} instances are still on {host}, where Nova holds them to be ({names}): they were not moved"
    )
    RETURN_MAY_BE_ELSEWHERE = (
        "a guest of {instance} may be on {suspects} since a move that failed; look there before it is started on {host}"
    )
    RETURN_STALE_ROOM = (
        "{count} consumers hold room on {host} that Nova holds to be elsewhere, or not to exist ({names}); openstack resource provider "
        "allocation unset frees it"
    )
    RETURN_UNPROTECTED = "the next failure of {host} will wait for a human: {detail}"
    RETURN_NOT_UP = "Nova does not yet call {host} up; look at openstack compute service list in a minute"

    RETIRE_HEARD = "Nova hears {host}: what lives is not retired; switch it off first"
    RETIRE_READS_ON = "BMC {address} reads ON for {host}: what may live is not retired; switch it off first"
    RETIRE_UNSEEN = "nothing says that {host} is off ({detail}); make sure yourself that the machine is gone, and repeat it with the option inspected"
    RETIRE_NOT_EMPTY = "{count} instances are on {host} ({names}); evacuate or delete them: openstack server list --all-projects --host {host}"
    RETIRE_MOVING = "{count} moves from or to {host} are not over ({names}); wait for them, and look at openstack server migration list"
    RETIRE_INVENTORY = "the fencing inventory names {host}: take it out, and restart the engines"
    RETIRE_ROOM = (
        "{count} consumers hold room on {host} that no move explains ({names}); where their owners are gone: openstack resource provider "
        "allocation delete"
    )
    RETIRE_PROVIDER = (
        "Placement knows a resource provider of {host} yet; openstack resource provider delete clears it away"
    )
    RETIRE_STOPPED = "clearing away of {host} stopped: {detail}; do it again when that is mended"
    RETIRED = "{by} retired {host}: {why}; cleared away: {done}"

    RETURN_BEGUN = "{by} lets {host} back: {why}"
    RETURNED = "{host} is back: {done}"
    RETURNED_AS_RESERVED = "{host} is a reserved host from now on: {done}"
    RETURN_NOTHING = "nothing was left to be done for {host}"
    SPARE_BACK = "{reserved} is back in the reserve: disabled in Nova, and reserved"
    SPARE_KEPT = "{reserved} stays in service: {detail}; bring {host} back once more when that is over, or make {host} the reserve"
    AGGREGATES_UNREADABLE = "{reserved} is not added to the aggregates of {host}: Nova did not say which they are ({detail}); it is used all the same"
    AGGREGATE_OF_ANOTHER_ZONE = (
        "{reserved} is not added to aggregate {aggregate}: that is of availability zone {zone}, and the zone of {reserved} is {own}; it is "
        "used all the same; keep reserved hosts of each zone"
    )
    AGGREGATES_JOINED = (
        "{reserved} is in the aggregates of {host} that it lacked ({names}) until it goes back to the reserve"
    )
    AGGREGATE_NOT_JOINED = "{reserved} could not be added to aggregate {aggregate}: {detail}; it is used all the same"
    AGGREGATES_LEFT = "{reserved} is no longer in the aggregates that it was added to ({names})"
    AGGREGATE_NOT_LEFT = (
        "{reserved} could not be taken out of aggregate {aggregate}: {detail}; do it by hand: openstack aggregate remove host {aggregate} "
        "{reserved}"
    )
    SPARE_IN_DOUBT = (
        "{reserved} may be enabled or not, and is no reserve any more: {detail}; look at it with openstack compute service list --host "
        "{reserved}; it goes back to the reserve when {host} is brought back"
    )
    SPARE_REPLACED = "{reserved} stays in service for good: {host} is the reserve in its place"
