"""How far apart the loss curves of two runs are, such as one in fast and one in exact numerics.

    python3 scripts/compare-curves.py LEDGER RUN OTHER

Reads `step_losses` of every train record of the runs, with git alone, and prints for each the largest difference of a step, of the
mean over ten steps around it, and of the mean of all, each as a share of OTHER's.
"""
import json
import subprocess
import sys


def git(ledger, *arguments):
    return subprocess.run(["git", f"--git-dir={ledger}", *arguments], check=True, capture_output=True, text=True).stdout


def curves(ledger, run):
    found = {}
    for ref in git(ledger, "for-each-ref", "--format=%(refname)", f"refs/heads/runs/{run}", f"refs/heads/runs/{run}.sites/").split():
        for path in git(ledger, "ls-tree", "-r", "--name-only", ref).split("\n"):
            if "/train/" in path and path.endswith("/record.json"):
                found[path] = json.loads(git(ledger, "show", f"{ref}:{path}")).get("step_losses", [])
    return found


def smooth(values, width=10):
    return [sum(values[max(0, i - width + 1):i + 1]) / len(values[max(0, i - width + 1):i + 1]) for i in range(len(values))]


def apart(left, right):
    return max(abs(a - b) / b for a, b in zip(left, right))


ledger, run, other = sys.argv[1:4]
left, right = curves(ledger, run), curves(ledger, other)
if not left or left.keys() != right.keys() or any(len(left[path]) != len(right[path]) for path in left):
    sys.exit(f"{run} and {other} do not have the same train steps")
for path in sorted(left):
    a, b = left[path], right[path]
    print(f"{path}: {len(a)} steps; a step differs by {apart(a, b):.3%} at most, the mean of ten by "
          f"{apart(smooth(a)[9:], smooth(b)[9:]):.3%}, the mean of all by {abs(sum(a) - sum(b)) / sum(b):.3%}")
