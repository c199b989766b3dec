#!/usr/bin/env python3
"""Writes the synthetic clinical notes under workflows/data from the sentence bank beside this file, byte for byte the same every time.

A bank line is `o`, `h`, `t` or `p` (opening, history or course, test, plan), a space, and one hand-written sentence:

  [problem:chest pain]        an entity or a modifier; spans nest: [problem:[severity:severe] [bodyloc:knee] pain]
  {left|right}                one of these; may hold markup, never another brace
  {=one|two}                  the alternative with the same index as in the braces before it
  @age @MF @man @gentleman @He @he @His @his @him    the invented patient of the note
  [strength<:5 mg]            a modifier of the head before it; > of the head after it; *3 of the next three heads

A modifier inside a head belongs to that head; one outside a head follows the direction of its type (BACKWARD, FORWARD),
or the other direction where there is no head in the first.
A leading article stays outside its span. A line `# topic` opens a topic; a note keeps to one topic and to `any`.

`make.py --check` writes nothing and fails where the notes on disk differ; `--counts` prints the table of docs/data.md.
Only the standard library is used, and random choices come from SHA-256, so no Python version changes the notes.
"""

import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BANK = HERE / "bank"
DATA = HERE.parent.parent / "workflows" / "data"
SEED = "medrounds synthetic notes 1"

HEADS = {"problem", "treatment", "test", "drug"}
FORWARD = {"negation", "uncertain", "severity", "subject"}
BACKWARD = {
    "bodyloc", "condition", "course", "dosage", "duration", "form", "frequency", "labvalue", "reference_range", "route",
    "strength", "temporal",
}
ARTICLES = re.compile(r"(?:an?|the|some|his|her)\s+", re.IGNORECASE)

# Site: file prefix, the types it annotates, whether it annotates modifiers, and how its notes are laid out.
SITES = {
    "harbour-ed": ("ed", HEADS, True, "lines"),
    "northfield": ("discharge", HEADS, True, "paragraphs"),
    "riverside-clinic": ("clinic", {"problem", "drug"}, False, "letter"),
}
COUNTS = {"train": 46, "test": 14, "validation": 3}
# How many sentences of each kind a note has, drawn uniformly from the list.
RECIPES = {
    "harbour-ed": {"o": [1], "h": [1, 1, 2], "t": [1, 2, 2, 3], "p": [0, 1, 1, 1]},
    "northfield": {"o": [1], "h": [1, 2, 2, 3], "t": [0, 1, 1], "p": [1, 2, 2]},
    "riverside-clinic": {"o": [1], "h": [1, 2, 2, 3], "t": [0], "p": [1, 1, 2]},
    "validation": {"o": [1], "h": [1], "t": [1], "p": [0, 1]},
}
# Notes that end their lines with CR LF, as some hospital systems do.
CRLF = {"synthetic-ed-train-007", "synthetic-discharge-test-005", "synthetic-clinic-train-012"}


class Chance:
    """A stream of choices that depends on its name alone."""

    def __init__(self, name):
        self.name = name
        self.count = 0

    def below(self, bound):
        self.count += 1
        digest = hashlib.sha256(f"{SEED}/{self.name}/{self.count}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % bound

    def pick(self, choices):
        return choices[self.below(len(choices))]


class Line:
    """A sentence of the bank and how often its alternatives were used."""

    def __init__(self, place, topic, kind, source):
        self.place = place
        self.topic = topic
        self.kind = kind
        parts = re.split(r"\{([^{}]*)\}", source)
        self.fixed = parts[0::2]
        self.groups = [group.removeprefix("=").split("|") for group in parts[1::2]]
        self.tied = [group.startswith("=") for group in parts[1::2]]
        self.uses = 0
        self.seen = set()
        self.chosen = [[0] * len(group) for group in self.groups]
        pairs = zip(self.groups, self.groups[1:], self.tied[1:])
        if self.tied[:1] == [True] or any(tied and len(a) != len(b) for a, b, tied in pairs):
            sys.exit(f"{place}: {{= follows no alternatives of the same count; make the counts equal")
        if any("{" in part or "}" in part for part in self.fixed):
            sys.exit(f"{place}: a brace is not closed or is inside another; close it")

    def render(self, chance):
        """The least used combination of alternatives that was not used before, or None."""
        best = None
        for _ in range(24):
            combination = ()
            for group, tied in zip(self.groups, self.tied):
                combination += (combination[-1] if tied else chance.below(len(group)),)
            if combination in self.seen:
                continue
            wear = sum(self.chosen[g][option] for g, option in enumerate(combination))
            if best is None or wear < best[0]:
                best = (wear, combination)
        if best is None:
            return None
        combination = best[1]
        self.seen.add(combination)
        self.uses += 1
        pieces = [self.fixed[0]]
        for g, option in enumerate(combination):
            self.chosen[g][option] += 1
            pieces += [self.groups[g][option], self.fixed[g + 1]]
        return "".join(pieces)


def read_bank(name):
    lines, topic = [], None
    for number, source in enumerate((BANK / name).read_text("utf-8").splitlines(), 1):
        place = f"bank/{name}:{number}"
        if source.startswith("# "):
            topic = source[2:]
        elif source[:2] in ("o ", "h ", "t ", "p ") and topic:
            lines.append(Line(place, topic, source[0], source[2:].strip()))
        elif source:
            sys.exit(f"{place}: neither `# topic` nor a sentence of kind o, h, t or p; correct the line")
    return lines


def patient(chance):
    woman = chance.below(2) == 1
    words = ("F", "woman", "lady", "She", "she", "Her", "her", "her") if woman else (
        "M", "man", "gentleman", "He", "he", "His", "his", "him")
    names = ("MF", "man", "gentleman", "He", "he", "His", "his", "him")
    return dict(zip(names, words), age=str(24 + chance.below(56)))


OPEN = re.compile(r"\[([a-z_]+)([<>]?)(?:\*(\d))?:")


def parse(marked, place):
    """Text, entities (type, start, end) and relations (head index, modifier index) of one marked sentence."""
    text, entities, stack, index = "", [], [], 0
    while index < len(marked):
        match = OPEN.match(marked, index)
        if match:
            kind, direction, times = match.groups()
            if kind not in HEADS | FORWARD | BACKWARD:
                sys.exit(f"{place}: unknown type {kind}; use one that make.py lists")
            parent = next((e for e in reversed(stack) if e["type"] in HEADS), None)
            entity = {"type": kind, "start": len(text), "parent": parent, "direction": direction, "times": int(times or 1)}
            entities.append(entity)
            stack.append(entity)
            index = match.end()
        elif marked[index] == "]":
            if not stack:
                sys.exit(f"{place}: a ] closes nothing; remove it")
            entity = stack.pop()
            entity["end"] = len(text)
            article = ARTICLES.match(text[entity["start"]:])
            entity["start"] += article.end() if article else 0
            index += 1
        else:
            text += marked[index]
            index += 1
    if stack:
        sys.exit(f"{place}: a [ is not closed; close it")
    relations = []
    heads = [e for e in entities if e["type"] in HEADS]
    for entity in entities:
        kind = entity["type"]
        if kind in HEADS:
            continue
        if entity["direction"]:
            forward = entity["direction"] == ">"
        elif entity["parent"]:
            relations.append((entity["parent"], entity))
            continue
        else:
            forward = kind in FORWARD
        after = [head for head in heads if head["start"] >= entity["end"]][: entity["times"]]
        before = [head for head in heads if head["end"] <= entity["start"]][-entity["times"]:]
        owners = (after or before) if forward else (before or after)
        if len(owners) < entity["times"]:
            sys.exit(f"{place}: {kind} finds {len(owners)} heads of {entity['times']}; turn it with < or >")
        relations += [(owner, entity) for owner in owners]
    return text, entities, relations


class Notes:
    """Composes the notes of one bank file."""

    def __init__(self, site, split, spoken):
        self.site, self.split, self.spoken = site, split, spoken
        self.lines = read_bank(f"{site}.{split}.txt")
        topics = [line.topic for line in self.lines if line.kind == "o"]
        self.topics = list(dict.fromkeys(topics))
        self.chance = Chance(f"{site}/{split}")

    def sentence(self, kind, topic, used, who):
        fitting = [line for line in self.lines if line.topic in (topic, "any") and line not in used]
        instead = [line for line in fitting if line.kind != kind and "o" not in (kind, line.kind)]
        order = []
        for lines in ([line for line in fitting if line.kind == kind], instead):
            order += sorted(lines, key=lambda line: (line.uses, self.chance.below(1 << 30)))
        for line in order:
            marked = line.render(self.chance)
            if marked is None:
                continue
            marked = re.sub(r"@(age|MF|man|gentleman|He|he|His|his|him)(?![a-z])", lambda m: who[m.group(1)], marked)
            text, entities, relations = parse(marked, line.place)
            if text.casefold() in self.spoken:
                continue
            self.spoken.add(text.casefold())
            used.append(line)
            return line.kind, text, entities, relations
        sys.exit(f"bank/{self.site}.{self.split}.txt: no unused sentence of kind {kind} for {topic}; write more")

    def note(self, number):
        topic = self.topics[number % len(self.topics)]
        who = patient(self.chance)
        recipe = RECIPES["validation" if self.split == "validation" else self.site]
        counts = {kind: self.chance.pick(choices) for kind, choices in recipe.items()}
        if self.split == "validation" and self.site == "riverside-clinic":
            counts["t"] = 1
        while sum(counts.values()) < 3:
            counts["h"] += 1
        used = []
        return [self.sentence(kind, topic, used, who) for kind in "ohtp" for _ in range(counts[kind])]


def separators(layout, sentences, chance):
    """What follows each sentence: one line each, paragraphs of two or three, or a letter with blank lines."""
    between = []
    run = 0
    for (kind, *_), (following, *_) in zip(sentences, sentences[1:]):
        run += 1
        if layout == "lines":
            between.append("\n")
        elif layout == "letter":
            between.append("\n\n" if following != kind else " ")
        elif run >= 2 + chance.below(2) or following == "p" != kind:
            between.append("\n")
            run = 0
        else:
            between.append(" ")
    return between + ["\n"]


def write(folder, name, sentences, types, modifiers, layout, chance):
    text, spans, pairs = "", [], []
    line_end = "\r\n" if name in CRLF else "\n"
    for (_, sentence, entities, relations), after in zip(sentences, separators(layout, sentences, chance)):
        for entity in entities:
            spans.append((entity["start"] + len(text), entity["end"] + len(text), entity["type"], id(entity)))
        pairs += [(id(head), id(modifier)) for head, modifier in relations]
        text += sentence + after.replace("\n", line_end)
    kept = [s for s in spans if s[2] in types or (modifiers and s[2] not in HEADS)]
    kept.sort(key=lambda span: (span[0], -span[1]))
    numbers = {key: number for number, (*_, key) in enumerate(kept, 1)}
    rows = [f"T{numbers[key]}\t{kind} {start} {end}\t{text[start:end]}" for start, end, kind, key in kept]
    ties = sorted((numbers[h], numbers[m]) for h, m in pairs if h in numbers and m in numbers)
    rows += [f"R{number}\thasAttr Arg1:T{head} Arg2:T{modifier}" for number, (head, modifier) in enumerate(ties, 1)]
    (folder / f"{name}.txt").write_bytes(text.encode("utf-8"))
    (folder / f"{name}.ann").write_bytes("".join(row + "\n" for row in rows).encode("utf-8"))


def fresh(folder):
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def compose(data):
    """Writes every note below the folder `data`."""
    # One set for everything: no sentence occurs twice, so none is shared between training, test and validation.
    spoken = set()
    validation = fresh(data / "validation")
    number = 0
    for site, (prefix, types, modifiers, layout) in SITES.items():
        for split in ("train", "test"):
            folder = fresh(data / site / split)
            notes = Notes(site, split, spoken)
            for index in range(COUNTS[split]):
                name = f"synthetic-{prefix}-{split}-{index + 1:03d}"
                write(folder, name, notes.note(index), types, modifiers, layout, notes.chance)
        notes = Notes(site, "validation", spoken)
        for index in range(COUNTS["validation"]):
            number += 1
            name = f"synthetic-validation-{number:03d}"
            write(validation, name, notes.note(index), HEADS, True, layout, notes.chance)


def bytes_by_name(data):
    return {path.relative_to(data): path.read_bytes() for path in data.rglob("synthetic-*.*")}


def counts(data):
    """The table of docs/data.md: notes, sentences and annotations of every folder."""
    print("| folder | notes | sentences | problem | treatment | test | drug | modifiers | relations |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for folder in sorted({path.parent for path in data.rglob("*.ann")}):
        rows = [row for path in folder.glob("*.ann") for row in path.read_text("utf-8").splitlines()]
        kinds = [row.split("\t")[1].split(" ")[0] for row in rows]
        notes = [path.read_bytes().decode("utf-8") for path in folder.glob("*.txt")]
        sentences = sum(len(re.findall(r"[.?](?=\r?\n| [A-Z0-9])", note)) for note in notes)
        figures = [len(notes), sentences] + [kinds.count(kind) for kind in ("problem", "treatment", "test", "drug")]
        figures += [sum(kind in FORWARD | BACKWARD for kind in kinds), kinds.count("hasAttr")]
        print(f"| `{folder.relative_to(data)}` | " + " | ".join(map(str, figures)) + " |")


def main():
    if sys.argv[1:] == ["--check"]:
        with tempfile.TemporaryDirectory() as scratch:
            compose(Path(scratch))
            wanted, found = bytes_by_name(Path(scratch)), bytes_by_name(DATA)
        differing = sorted(str(name) for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        if differing:
            sys.exit(f"{len(differing)} of {len(wanted)} notes are not what the bank gives, {differing[0]} first; run make.py")
    elif sys.argv[1:] == ["--counts"]:
        counts(DATA)
    elif sys.argv[1:]:
        sys.exit("usage: make.py [--check | --counts]")
    else:
        compose(DATA)


if __name__ == "__main__":
    main()
