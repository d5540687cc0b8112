#!/usr/bin/env bash
# Three gateways, two workers and a web node on this machine, on a PostgreSQL that you have:
#
#   DATABASE_URL=postgres://seoham:password@127.0.0.1/seoham examples/deployment/start.sh
#
# Ctrl-C ends all of them; what they keep is in the database, and a second run goes on from there.
#
#   BINARY    the program                                       [seoham]
#   FILES     the master key, the operator's token, the logs    [./seoham-deployment]
#   SANDBOX   true: invented people; false: live ones. Fixed when the database is first used [true]
set -euo pipefail

: "${DATABASE_URL:?the database, as postgres://user:password@host/name}"
BINARY=${BINARY:-seoham}
FILES=${FILES:-./seoham-deployment}

# The fixed ports, all on loopback: every node has admin, and what its role needs.
#  name      role      api   bulk  web   admin
NODES="
  gateway-1  gateway   8101  8201  -     8301
  gateway-2  gateway   8102  8202  -     8302
  gateway-3  gateway   8103  8203  -     8303
  worker-1   delivery  -     -     -     8304
  worker-2   delivery  -     -     -     8305
  web-1      web       -     -     8401  8306
"

# One master key for all nodes. Keep a copy where the database's backups are not.
mkdir -p -m 700 "$FILES"
[ -e "$FILES/master.key" ] || "$BINARY" keys new "$FILES/master.key"
[ -e "$FILES/admin.token" ] || (umask 077 && head -c 32 /dev/urandom | base64 > "$FILES/admin.token")

# What all nodes have in common. In the environment, because a command line shows a password to
# everybody on the machine. Every variable that begins with SEOHAM_ must be a key of the configuration.
export SEOHAM_STORE__DATABASE=$DATABASE_URL
export SEOHAM_STORE__SANDBOX=${SANDBOX:-true}
export SEOHAM_KEYS__MASTER_FILE=$FILES/master.key
SEOHAM_ADMIN__TOKEN=$(cat "$FILES/admin.token") && export SEOHAM_ADMIN__TOKEN
export SEOHAM_WEB__PUBLIC_URL=http://127.0.0.1:8401
# Six nodes take 6 x (4 + 4 + 4) = 72 connections at most; PostgreSQL has 100 unless told otherwise.
export SEOHAM_STORE__INTERACTIVE_CONNECTIONS=4
export SEOHAM_STORE__BULK_CONNECTIONS=4

"$BINARY" migrate

pids=()
end() {
  trap '' INT TERM HUP
  echo "ending"
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

while read -r name role api bulk web admin; do
  [ -n "$name" ] || continue
  listen=(--admin-listen "127.0.0.1:$admin")
  [ "$api" = - ] || listen+=(--api-listen "127.0.0.1:$api" --bulk-listen "127.0.0.1:$bulk")
  [ "$web" = - ] || listen+=(--web-listen "127.0.0.1:$web")
  # setsid: Ctrl-C reaches this script alone, which tells each node once. Twice would end it at once.
  setsid "$BINARY" serve --no-migrate --role "$role" "${listen[@]}" >"$FILES/$name.log" 2>&1 </dev/null &
  pid=$!
  pids+=("$pid")
  until curl -sf -o /dev/null "http://127.0.0.1:$admin/readyz"; do
    kill -0 "$pid" 2>/dev/null || { echo "$name did not start:"; tail -n 5 "$FILES/$name.log"; exit 1; }
    sleep 0.2
  done
  echo "$name: process $pid, admin http://127.0.0.1:$admin" \
    "$([ "$api" = - ] || echo "api http://127.0.0.1:$api bulk http://127.0.0.1:$bulk")" \
    "$([ "$web" = - ] || echo "web http://127.0.0.1:$web")"
done <<<"$NODES"

echo "
All are ready; Ctrl-C ends them. Any of the three gateways takes a request, any admin listener an order:
  $BINARY admin --url http://127.0.0.1:8301 --token-file $FILES/admin.token institution create '가상시청'
Logs: $FILES/*.log"
wait || true
