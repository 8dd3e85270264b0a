"""Asks whether an engine of upstream's still lives on the broker. It is only ever asked; ours listens elsewhere.

Two engines on one database evacuate the same instances, and upstream's without a fence.
"""

from __future__ import annotations

import threading
import uuid
from queue import Empty, SimpleQueue
from typing import Any

from oslo_config import cfg

from vmha.adapters.messaging import EXCHANGE, open_transport

import oslo_messaging  # isort: skip - the doorbell's module has chosen threads before

TOPIC = cfg.StrOpt("masakari_topic", default="ha_engine")
"""Upstream's option: where its engine listens, and we ask, and nothing else of ours goes."""

ANSWER_SECONDS = 5.0
"""An idle engine answers in milliseconds; its 64 threads are never all busy with calls."""

CONNECT_SECONDS = 10.0
"""How long the broker may take to let us in."""


class BrokerSilent(Exception):
    """The broker could not be asked; the text says why."""


def answers(config: cfg.ConfigOpts, *, seconds: float = ANSWER_SECONDS) -> bool:
    """Tell whether somebody answers where the configuration lets upstream listen. Raises `BrokerSilent` and `ConfigurationError`.

    What is called exists in no engine, so that nothing happens there: the answer is a refusal, and an answer all the same.
    """
    transport = open_transport(config)
    config.register_opt(TOPIC)
    config.set_default("control_exchange", EXCHANGE)  # as upstream does
    target = oslo_messaging.Target(exchange=config.control_exchange, topic=config.masakari_topic, version="1.0")
    client = oslo_messaging.get_rpc_client(transport, target, timeout=seconds, retry=1)
    heard: SimpleQueue[bool | Exception] = SimpleQueue()
    # In a thread that is left behind: oslo.messaging tries to reach a broker that is away for ever, whatever its timeout.
    threading.Thread(target=lambda: heard.put(_call(client)), name="upstream-engine", daemon=True).start()
    try:
        answer = heard.get(timeout=seconds + CONNECT_SECONDS)
    except Empty:
        raise BrokerSilent(f"it could not be reached within {seconds + CONNECT_SECONDS:g} s") from None
    if isinstance(answer, Exception):
        raise BrokerSilent(f"{type(answer).__name__}: {answer}") from answer
    return answer


def _call(client: Any) -> bool | Exception:
    try:
        client.call({}, f"are_you_there_{uuid.uuid4().hex[:8]}")
    except oslo_messaging.MessagingTimeout:
        return False
    except oslo_messaging.RemoteError:
        return True
    except Exception as error:  # noqa: BLE001 - kombu and amqp raise what they like, and the caller hears it
        return error
    return True
