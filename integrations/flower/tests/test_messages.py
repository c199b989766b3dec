"""What the two ends do with messages and folders that are not as they should be."""

import os
import tempfile
import types
import unittest
import unittest.mock
from pathlib import Path

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, RecordDict

from medrounds_flower import client_app, server_app
from medrounds_flower.mailbox import Mailbox, Parcel, Refused, is_name

LIMIT = 1000


def records(last: dict[str, int], arrays: dict[str, bytes], **says: object) -> RecordDict:
    said = {"version": 1, "site": "east", "nonce": "n", "room": LIMIT} | says
    bundles = {name: Array("uint8", (len(data),), "bundle", data) for name, data in arrays.items()}
    return RecordDict({"says": ConfigRecord(said), "last": ConfigRecord(last), "bundles": ArrayRecord(bundles)})


class Folders(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        (self.folder / "east").mkdir()
        self.box = self.folder / "east"

    def put(self, name: str, data: bytes) -> None:
        (self.box / name).parent.mkdir(parents=True, exist_ok=True)
        (self.box / name).write_bytes(data)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if not path.is_dir())

    def at_site(self) -> Mailbox:
        return Mailbox(self.box, sends="from-site", takes="to-site", is_site=True)

    def at_coordinator(self) -> Mailbox:
        return Mailbox(self.box, sends="to-site", takes="from-site", is_site=False)

    # The folder.

    def test_names_are_those_of_medrounds(self) -> None:
        for name in ["a", "run-1", "a" * 64]:
            self.assertTrue(is_name(name), name)
        for name in ["", "..", "a/b", "A", "a_b", "-a", "a-", "a--b", "a" * 65, "a\n", "a\0", "é", "１", 1, None, b"a"]:
            self.assertFalse(is_name(name), repr(name))

    def test_takes_in_order_and_overwrites_nothing(self) -> None:
        box = self.at_site()
        self.assertEqual(box.take({("r", 2): b"two", ("r", 1): b"one"}), 2)
        self.assertEqual(box.take({("r", 1): b"ONE", ("r", 3): b"three"}), 1)
        self.assertEqual((self.box / "r/to-site/000001.bundle").read_bytes(), b"one")
        self.assertEqual(self.files(), [f"east/r/to-site/00000{n}.bundle" for n in (1, 2, 3)])

    def test_refuses_a_gap_a_zero_and_a_path(self) -> None:
        for key in [("r", 2), ("r", 0), ("r", 1_000_000), ("..", 1), ("a/b", 1), ("", 1)]:
            with self.assertRaises(Refused):
                self.at_site().take({key: b"x"})
        self.assertEqual(self.files(), [])

    def test_a_site_opens_no_run_at_the_coordinator(self) -> None:
        with self.assertRaises(Refused):
            self.at_coordinator().take({("r", 1): b"x"})
        self.put("r/to-site/000001.bundle", b"call")
        self.assertEqual(self.at_coordinator().take({("r", 1): b"x"}), 1)

    def test_a_site_sends_runs_of_the_coordinator_alone(self) -> None:
        for run in ["a", "b"]:
            self.put(f"{run}/from-site/000001.bundle", b"x")
        self.assertEqual(self.at_site().outgoing({"a": 0}, LIMIT), {("a", 1): b"x"})

    def test_sends_what_is_lacking_within_the_limit(self) -> None:
        for number in range(1, 5):
            self.put(f"r/to-site/00000{number}.bundle", b"x" * 400)
        box = self.at_coordinator()
        self.assertEqual(list(box.outgoing({}, LIMIT)), [("r", 1), ("r", 2)])
        self.assertEqual(list(box.outgoing({"r": 3}, LIMIT)), [("r", 4)])
        self.assertEqual((box.outgoing({"r": 4}, LIMIT), box.lacks({"r": 4})), ({}, False))
        self.assertEqual(box.outgoing({"r": 3}, 399), {})
        self.assertIn("400 bytes", box.unsent)

    def test_links_and_other_names_are_not_read(self) -> None:
        self.put("../secret", b"secret")
        (self.box / "r/from-site").mkdir(parents=True)
        os.symlink(self.folder / "secret", self.box / "r/from-site/000001.bundle")
        os.symlink(self.folder, self.box / "outside")
        self.put("r/from-site/1.bundle", b"x")
        box = self.at_site()
        self.assertEqual(box.outgoing({"r": 0}, LIMIT), {})
        self.assertTrue(box.unsent.startswith("r/from-site/000001.bundle: "), box.unsent)
        self.assertEqual(box.runs(), ["r"])

    def test_the_folder_has_to_be_there(self) -> None:
        for folder in [Path(os.path.relpath(self.box)), self.folder / "west"]:
            with self.assertRaises(Refused):
                Mailbox(folder, "to-site", "from-site", False)

    # The message.

    def test_reads_what_it_writes(self) -> None:
        parcel = Parcel("east", "n", {"r": 3}, 7, {("r", 1): b"one"})
        self.assertEqual(Parcel.read(parcel.records(), LIMIT), parcel)

    def test_refuses_hostile_messages(self) -> None:
        good = records({"r": 1}, {"r/000001": b"x"})
        for hostile in [
            RecordDict({}),
            RecordDict({"says": good["says"], "last": good["bundles"], "bundles": good["bundles"]}),
            records({}, {}, version=2),
            records({}, {}, site="../west"),
            records({}, {}, nonce=1),
            records({}, {}, room="much"),
            records({"../r": 1}, {}),
            records({"r": -1}, {}),
            records({"r": 1_000_000}, {}),
            records({"r": True}, {}),
            records({f"r{n}": 1 for n in range(1001)}, {}),
            *(records({}, {name: b"x"}) for name in ["../000001", "R/000001", "../../x/000001", "r", "r/1", "r/00000１", "r/000001/x", "/r/000001"]),
            records({}, {"r/000001": b"x" * 600, "r/000002": b"x" * 600}),
        ]:
            with self.assertRaises(Refused):
                Parcel.read(hostile, LIMIT)

    # The two ends.

    def hear(self, reply: RecordDict, node: int = 5) -> server_app.Site:
        site = server_app.Site("east", self.at_coordinator(), LIMIT, 1.0)
        site.node, site.nonce = 5, "n"
        site.hear(types.SimpleNamespace(has_error=lambda: False, content=reply, metadata=types.SimpleNamespace(src_node_id=node)))
        return site

    def test_the_coordinator_refuses_other_nodes_names_and_nonces(self) -> None:
        self.put("r/to-site/000001.bundle", b"call")
        answer = {"r/000001": b"part"}
        for site in [
            self.hear(records({}, answer, site="west")),
            self.hear(records({}, answer, nonce="other")),
            self.hear(records({}, answer, nonce="é")),
            self.hear(records({}, answer), node=6),
        ]:
            self.assertTrue(site.state.startswith("refused"), site.state)
            self.assertIsNone(site.theirs)
        self.assertEqual(self.files(), ["east/r/to-site/000001.bundle"])
        self.assertEqual(self.hear(records({}, answer)).state, "took 1 bundles")

    def test_a_site_takes_nothing_that_is_for_another(self) -> None:
        context = Context(1, 1, {"site": "east", "mailbox": str(self.box)}, RecordDict(), {})
        self.put("r/from-site/000001.bundle", b"part")

        def answer(site: str) -> Parcel:
            question = types.SimpleNamespace(content=records({"r": 0}, {"r/000001": b"call"}, site=site))
            with unittest.mock.patch.object(client_app, "Message", lambda records, reply_to: records):
                return Parcel.read(client_app.answer(question, context), LIMIT)

        reply = answer("west")
        self.assertEqual((reply.site, reply.last, reply.bundles), ("east", {}, {}))
        self.assertEqual(self.files(), ["east/r/from-site/000001.bundle"])
        reply = answer("east")
        self.assertEqual((reply.last, reply.bundles), ({"r": 1}, {("r", 1): b"part"}))

    def test_a_key_is_of_one_site(self) -> None:
        key = "ecdsa-sha2-nistp256 " + (
            "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGsX0fLhLEJH+Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT+NC4v4af5uO5+tKfA+eFiv"
            "OM1drMV7Oy7ZAaDe/UfU="
        )
        path = self.folder / "keys"
        path.write_text(f"# keys\neast {key} comment\n")
        self.assertEqual(list(server_app.read_keys(path)), ["east"])
        for text in [f"east {key}\nwest {key}\n", f"East {key}\n", f"../x {key}\n"]:
            path.write_text(text)
            with self.assertRaises(Refused):
                server_app.read_keys(path)


if __name__ == "__main__":
    unittest.main()
