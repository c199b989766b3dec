"""The site's end: answers each question at once with what is in the site's mailbox. `medrounds site run` works beside it, at its own pace."""

from logging import INFO, WARNING
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.common import log

from .mailbox import Mailbox, Parcel, Refused, is_name

app = ClientApp()


@app.query()
def answer(message: Message, context: Context) -> Message:
    """Takes what the coordinator sent and sends what it lacks. --node-config has site, mailbox and, if wanted, max-megabytes."""
    config = context.node_config
    site, limit = config.get("site"), int(config.get("max-megabytes", 256)) << 20
    if not is_name(site):
        raise Refused("--node-config of this SuperNode does not say site=\"NAME\"")
    box = Mailbox(Path(str(config.get("mailbox", ""))), sends="from-site", takes="to-site", is_site=True)
    asked = Parcel.read(message.content, limit)
    reply = Parcel(site, asked.nonce, {}, limit)
    if asked.site == site:
        taken = box.take(asked.bundles)
        reply.last, reply.bundles = box.last(), box.outgoing(asked.last, min(limit, asked.room))
        log(INFO, "took %d bundles, sends %d %s", taken, len(reply.bundles), box.unsent and f"(not sent: {box.unsent})")
    else:  # Nothing of one site goes into the mailbox of another. The coordinator reads the name in the reply and says so too.
        log(WARNING, "the coordinator calls this node %s, --node-config calls it %s: nothing is taken or sent", asked.site, site)
    return Message(reply.records(), reply_to=message)
