"""The coordinator's end: asks each site's SuperNode in turn and puts what comes into the site's mailbox. `medrounds run` works beside it."""

import secrets
import time
from logging import INFO, WARNING
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from flwr.app import Context, Message
from flwr.common import log
from flwr.serverapp import Grid, ServerApp

from .mailbox import Mailbox, Parcel, Refused, is_name

app = ServerApp()
ANSWER_SECONDS, STOP_SECONDS = 300, 120  # How long a question waits, and the end for sites that may lack bundles.


def read_keys(path: Path) -> dict[str, bytes]:
    """Which public key is which site's: a line `SITE ecdsa-sha2-nistp384 AAAA...` each; # starts a comment."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        site, _, key = line.partition("#")[0].strip().partition(" ")
        if not site:
            continue
        pem = load_ssh_public_key(key.strip().encode()).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        if not is_name(site) or site in keys or pem in keys.values():
            raise Refused(f"line {number} of the file of keys has no site's name, or a name or a key that was before")
        keys[site] = pem
    return keys


class Site:
    """One site: its mailbox, and the question that is under way to the node whose key is bound to its name."""

    def __init__(self, name: str, box: Mailbox, limit: int, interval: float) -> None:
        self.name, self.box, self.limit, self.interval = name, box, limit, interval
        self.theirs: Parcel | None = None  # What the site said last; before it said anything it is sent nothing.
        self.node, self.question, self.nonce, self.state, self.due, self.until = 0, "", "", "", 0.0, 0.0

    def tell(self, state: str) -> None:
        """Logs where the site is when that changes."""
        if state != self.state:
            self.state = state
            log(INFO, "%s: %s", self.name, state)

    def ask(self, node: int, grid: Grid) -> None:
        """Sends what the site lacks, and says what is here."""
        self.node, self.nonce = node, secrets.token_hex(16)
        bundles = self.box.outgoing(self.theirs.last, min(self.limit, self.theirs.room)) if self.theirs else {}
        parcel = Parcel(self.name, self.nonce, self.box.last(), self.limit, bundles)
        message = Message(parcel.records(), dst_node_id=node, message_type="query", ttl=ANSWER_SECONDS)
        self.question = next(iter(grid.push_messages([message])), "") or ""
        self.until = time.monotonic() + ANSWER_SECONDS
        if bundles or self.box.unsent:
            self.tell(f"sends {len(bundles)} bundles {self.box.unsent and f'(not sent: {self.box.unsent})'}")

    def hear(self, reply: Message) -> None:
        """Takes an answer. A node that is not the one that was asked, or says another site's name, is refused."""
        self.question, self.due = "", time.monotonic() + self.interval
        if reply.has_error():
            return self.tell(f"no answer (Flower's error code {reply.error.code}); the log of its SuperNode says more")
        try:
            said = Parcel.read(reply.content, self.limit)
            # The SuperLink does not compare the sender of a reply with the node that signed the request: only the asked one knows the nonce.
            if reply.metadata.src_node_id != self.node or not secrets.compare_digest(said.nonce.encode(), self.nonce.encode()):
                raise Refused("an answer is not from the node that was asked")
            if said.site != self.name:
                raise Refused(f"the node with the key of {self.name} says that it is {said.site}")
            taken = self.box.take(said.bundles)
        except (Refused, OSError) as refusal:
            self.theirs = None
            return self.tell(f"refused: {refusal}")
        self.theirs = said
        if taken or self.box.lacks(said.last):
            self.due = time.monotonic()
        self.tell(f"took {taken} bundles" if taken else "heard, nothing new")


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Carries until the file <exchange>/stop is there and every site has what was sent to it, or until `flwr stop`."""
    config, sites, strangers, stopping = context.run_config, {}, set(), 0.0
    exchange, keys = Path(str(config["exchange"])), read_keys(Path(str(config["keys"])))
    for name in keys:
        (exchange / name).mkdir(exist_ok=True)
        box = Mailbox(exchange / name, sends="to-site", takes="from-site", is_site=False)
        sites[name] = Site(name, box, int(config["max-megabytes"]) << 20, float(config["interval-seconds"]))
    while True:
        now, nodes = time.monotonic(), {node.public_key: node.node_id for node in grid.get_nodes()}
        for node in [node for key, node in nodes.items() if key not in keys.values() and node not in strangers]:
            strangers.add(node)
            log(WARNING, "node %d has a key that is bound to no site: it is not asked", node)
        for name, site in sites.items():
            if site.question and now > site.until:
                site.question = ""
                site.tell("no answer in time")
            if not site.question and now >= site.due and keys[name] in nodes:
                site.ask(nodes[keys[name]], grid)
        questions = {site.question: site for site in sites.values() if site.question}
        for reply in grid.pull_messages(list(questions)) if questions else []:
            if asked := questions.get(reply.metadata.reply_to_message_id):
                asked.hear(reply)
        if (exchange / "stop").is_file():
            stopping = stopping or now + STOP_SECONDS
            behind = [name for name, site in sites.items() if site.theirs is None or site.box.lacks(site.theirs.last)]
            if not behind or now > stopping:
                return log(INFO, "ends: %s", f"{', '.join(behind)} may lack bundles" if behind else "every site has all")
        time.sleep(0.5)
