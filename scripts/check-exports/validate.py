"""Validates an export of `medrounds export` with outside tools: rocrate-validator and in-toto's own Python package.

usage: validate.py FOLDER CONTEXT

CONTEXT is the JSON-LD context of RO-Crate 1.1, which the validator would otherwise fetch; given as a file, no network is needed.
Exit code 1 where anything does not follow its own specification.
"""

import hashlib
import json
import pathlib
import sys

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester

CONTEXT_URL = "https://w3id.org/ro/crate/1.1/context"


class Answer:
    """The parts of an HTTP response that the validator uses."""

    status_code = 200
    ok = True

    def __init__(self, content):
        self.content = content
        self.text = content.decode()
        self.headers = {"Content-Type": "application/ld+json"}
        self.url = CONTEXT_URL

    def json(self):
        return json.loads(self.text)

    def raise_for_status(self):
        pass


def serve_context(path):
    """The context comes from the file; every other address is fetched as usual."""
    context = path.read_bytes()
    requester = HttpRequester()
    fetch = requester.get

    def get(url, **options):
        return Answer(context) if url == CONTEXT_URL else fetch(url, **options)

    requester.get = get


def check_crate(folder):
    """The crate against Workflow Run Crate 0.5 and the profiles it extends; what is required, then what is recommended."""
    good = True
    for severity, must in ((models.Severity.REQUIRED, True), (models.Severity.RECOMMENDED, False)):
        result = services.validate(
            services.ValidationSettings(
                rocrate_uri=str(folder), profile_identifier="workflow-run-crate-0.5", requirement_severity=severity,
            )
        )
        issues = list(result.get_issues(min_severity=severity))
        print(f"ro-crate, workflow-run-crate-0.5, {severity.name.lower()}: {len(issues)} issues")
        for issue in issues:
            print(f"  {issue.severity.name.lower()} {issue.check.identifier}: {issue.message}")
        good = good and (not must or not issues)
    return good


def check_statement(folder):
    """The statement against in-toto's and SLSA's own message definitions, unknown fields refused; then its digests."""
    text = (folder / "provenance.intoto.json").read_text()
    Statement.copy_from_pb(json_format.Parse(text, statement_pb2.Statement())).validate()
    statement = json.loads(text)
    provenance = json_format.Parse(json.dumps(statement["predicate"]), provenance_pb2.Provenance())
    named = statement["subject"] + statement["predicate"]["runDetails"]["byproducts"]
    wrong = [
        file["name"]
        for file in named
        if hashlib.sha256((folder / file["name"]).read_bytes()).hexdigest() != file["digest"]["sha256"]
    ]
    print(
        f"in-toto Statement v1, SLSA provenance v1: valid, {len(statement['subject'])} subject, "
        f"{len(provenance.build_definition.resolved_dependencies)} dependencies, {len(named)} digests computed again, "
        f"{len(wrong)} wrong"
    )
    return not wrong


def main():
    folder = pathlib.Path(sys.argv[1])
    serve_context(pathlib.Path(sys.argv[2]))
    good = check_statement(folder)
    return 0 if check_crate(folder) and good else 1


if __name__ == "__main__":
    sys.exit(main())
