#!/usr/bin/env bash
# A federation over Flower on this machine: SuperLink with TLS and node authentication, two SuperNodes, `flwr run`, and beside them a coordinator
# and two hospitals of MedRounds, each in its own folder below build/flower. Ends with the comparison with one process. `--short` takes
# few records, and kills the SuperLink in between. Needs python3 with venv and pip, openssl, ssh-keygen. MEDROUNDS names another program than the release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
missing() { printf 'flower-demo: not run here: %s\n' "$1" >&2; exit 2; }
limit=48 epochs=2 cohort=24 tokens=192 kills=no
case "${1:-}" in
    --short) limit=2 epochs=1 cohort=1 tokens=4 kills=yes ;;
    "") ;;
    *) missing "the only argument is --short, not $1" ;;
esac
medrounds="${MEDROUNDS:-$PWD/.build/release/medrounds}"
[ -x "$medrounds" ] || missing "there is no program; build first: swift build -c release"
for tool in python3 openssl ssh-keygen git; do command -v "$tool" >/dev/null || missing "there is no $tool"; done
flwr="$(sed -n 's/^dependencies = \["\(flwr==.*\)"\]$/\1/p' integrations/flower/pyproject.toml)"

place="$PWD/build/flower"
mkdir -p "$place"
find "$place" -mindepth 1 -maxdepth 1 ! -name venv -exec rm -rf {} +
mkdir -p "$place"/{coordinator/exchange,one,tls,home}
if [ "$("$place/venv/bin/flwr" --version 2>/dev/null)" != "Flower version: ${flwr#*==}" ]; then
    rm -rf "$place/venv"
    python3 -m venv "$place/venv" || missing "python3 makes no virtual environment (Debian: python3-venv)"
    "$place/venv/bin/pip" install --quiet --disable-pip-version-check "$flwr" || missing "pip cannot install $flwr"
fi
# Neither telemetry nor the question for newer versions leaves this machine; every Flower process below inherits this.
export PATH="$place/venv/bin:$PATH" FLWR_HOME="$place/home" FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1

python3 -B -m unittest discover -q -s integrations/flower/tests -t integrations/flower > "$place/tests.log" 2>&1 \
    || { cat "$place/tests.log" >&2; exit 1; }

pids=""
stop() { # Last started, first stopped; the SuperLink and the SuperNodes end what they started themselves.
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    for pid in $pids; do wait "$pid" 2>/dev/null || true; done
}
trap stop EXIT
start() { # start LOG COMMAND...
    local log="$1"
    shift
    "$@" > "$place/$log.log" 2>&1 < /dev/null &
    pids="$! $pids"
}
read -r port first second < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(each.getsockname()[1] for each in sockets))')

# The SuperLink's certificate, by an authority of this demonstration alone.
(
    cd "$place/tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=MedRounds demonstration" \
        -keyout ca.key -out ca.crt
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=127.0.0.1" -keyout server.key -out server.csr
    printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' > server.ext
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.crt
) > "$place/openssl.log" 2>&1 || missing "openssl makes no certificates (build/flower/openssl.log)"
cat > "$place/home/config.toml" <<END
[superlink]
default = "demo"
[superlink.demo]
address = "127.0.0.1:$port"
root-certificates = "$place/tls/ca.crt"
END
start_superlink() { # start_superlink LOG
    local tries=0
    start "$1" flower-superlink --host 127.0.0.1 --port "$port" --ssl-ca-certfile "$place/tls/ca.crt" \
        --ssl-certfile "$place/tls/server.crt" --ssl-keyfile "$place/tls/server.key" --enable-supernode-auth \
        --database "$place/superlink.db" --disable-runtime-dependency-installation
    superlink="${pids%% *}"
    until flwr ls > "$place/ls.log" 2>&1; do
        tries=$((tries + 1))
        kill -0 "$superlink" 2>/dev/null && [ "$tries" -lt 60 ] || missing "the SuperLink does not start (build/flower/$1.log)"
        sleep 0.5
    done
}
start_flower() { # start_flower LOG
    start "$1" flwr run integrations/flower demo --stream --run-config \
        "exchange=\"$place/coordinator/exchange\" keys=\"$place/coordinator/sites.keys\" interval-seconds=3.0"
    flower="${pids%% *}"
}
start_superlink superlink

# The coordinator has the workflow, the validation and the test notes; of the sites' notes it has none.
sites="harbour-ed riverside-clinic"
cp -r workflows/. "$place/one"
sed -E -i '/^  northfield/d; s/, northfield-test//; s/limit: 48/limit: '$limit'/; s/limit: 24/limit: '$cohort'/; s/epochs: 2/epochs: '$epochs'/
    s/max_new_tokens: 192/max_new_tokens: '$tokens'/; s/records: 5/records: 2/' \
    "$place/one/quickstart.yaml"
sed -E 's/^  (harbour-ed|riverside-clinic): \{train:.*/  \1: {remote: true}/' "$place/one/quickstart.yaml" \
    > "$place/coordinator/quickstart.yaml"
mkdir -p "$place/coordinator/data"
cp -r workflows/data/validation "$place/coordinator/data/validation"
for site in $sites; do
    mkdir -p "$place/coordinator/data/$site" "$place/$site/mailbox"
    cp -r "workflows/data/$site/test" "$place/coordinator/data/$site/test"
    cp -r "workflows/data/$site/train" "$place/$site/notes"
    printf '%s: exchange/%s\n' "$site" "$site" >> "$place/coordinator/mailboxes.yaml"
    tasks='{ner: all}'
    [ "$site" = riverside-clinic ] && tasks='{ner: [problem, drug]}'
    cat > "$place/$site/site.yaml" <<END
version: 1
site: $site
mailbox: mailbox
model: smollm2-135m-instruct
train: notes
tasks: $tasks
limit: $limit
accept: {rounds: 2, rank: 16, megabytes: 20}
END
    # The key of the site's SuperNode: the SuperLink admits it, and the coordinator's file binds it to the site's name.
    ssh-keygen -q -t ecdsa -b 384 -N "" -C "$site" -f "$place/$site/supernode"
    printf '%s %s\n' "$site" "$(cut -d ' ' -f 1,2 "$place/$site/supernode.pub")" >> "$place/coordinator/sites.keys"
    flwr supernode register "$place/$site/supernode.pub" demo > "$place/$site.register.log"
    start "$site.supernode" flower-supernode --superlink "127.0.0.1:$port" --root-certificates "$place/tls/ca.crt" --port "$first" \
        --auth-supernode-private-key "$place/$site/supernode" --node-config "site=\"$site\" mailbox=\"$place/$site/mailbox\""
    first="$second"
    start "$site" env -C "$place/$site" "$medrounds" site run site.yaml --threads 1
done
start_flower flwr-run
(cd "$place/coordinator" && exec "$medrounds" run quickstart.yaml --name federation) &
coordinator=$!
pids="$coordinator $pids"
if [ "$kills" = yes ]; then # After the first message of a site came; the other end notices nothing but a pause.
    until [ -e "$place/coordinator/exchange/harbour-ed/federation/from-site/000001.bundle" ]; do
        kill -0 "$coordinator" "$flower" 2>/dev/null || missing "nothing comes from a site (build/flower/flwr-run.log)"
        sleep 0.2
    done
    kill -9 "$superlink"
    sleep 5
    start_superlink superlink-again
    start_flower flwr-run-again
fi
wait "$coordinator"
# The Flower run ends when every site has what was sent to it.
touch "$place/coordinator/exchange/stop"
wait "$flower" || missing "flwr run ended badly (build/flower/flwr-run*.log)"
for site in $sites; do
    diff -r "$place/coordinator/exchange/$site/federation" "$place/$site/mailbox/federation"
done

printf '\nThe same federation in one process:\n'
"$medrounds" run "$place/one/quickstart.yaml" --name one --ledger "$place/one/ledger.git" --quiet
same=yes count=0
for path in adapter.safetensors $(git --git-dir="$place/one/ledger.git" ls-tree -r --name-only runs/one \
    | grep -E '/(upload/.*/adapter.safetensors|aggregate/record.json)$'); do
    first="$(git --git-dir="$place/coordinator/rounds/ledger.git" rev-parse "runs/federation:$path")"
    second="$(git --git-dir="$place/one/ledger.git" rev-parse "runs/one:$path")"
    [ "$first" = "$second" ] || { same=no; printf 'differs: %s\n' "$path"; }
    count=$((count + 1))
done
[ "$same" = yes ] || exit 5
printf 'Over Flower and in one process: the same uploads, weights and adapters, byte for byte (%s files).\n' "$count"
for site in $sites; do "$medrounds" verify federation --ledger "$place/$site/ledger.git" | sed -n 1p; done
