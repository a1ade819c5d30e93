"""Delivery: sinks beside the log, each of which reads the log with a cursor of its own, in a thread of its own.

    following.py    whole lines of a log that grows, is cut back, and is replaced
    cursor.py       how far a sink has come, kept on the disk
    deliverer.py    one sink: hands records over, repeats what fails, sets aside what is refused
    webhook.py      HTTP POST, signed
    mqtt.py         MQTT, QoS 1
    making.py       from settings to sinks, entry points of other packages among them
    session.py      all sinks of a log, from start to end

The log is the truth. A record counts as delivered when its receiver has said so; only then the cursor moves. So a
record may come twice (after a crash between the two), but none is lost, and nobody waits for a receiver that is dead.
"""

from streamfilter.delivery.deliverer import Deliverer, Tell
from streamfilter.delivery.session import delivering

__all__ = ["Deliverer", "Tell", "delivering"]
