#!/usr/bin/env bash
# A primary and a synchronous standby of PostgreSQL on one machine, to see what Seoham does when the
# primary is lost. For trying: real ones live on different machines.
#
#   pair.sh up      makes and starts both, and prints the connection string for SEOHAM_STORE__DATABASE
#   pair.sh lose    kills the primary as a crash would, and promotes the standby
#   pair.sh down    stops what runs and removes everything
#
#   FILES   the directory for all of it              [/tmp/seoham-pair]
#   PGBIN   the directory of PostgreSQL's programs   [the newest in /usr/lib/postgresql]
set -euo pipefail

FILES=${FILES:-/tmp/seoham-pair}
PGBIN=${PGBIN:-$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)}
PRIMARY=5501 # the ports, on loopback
STANDBY=5502

# PostgreSQL does not run as root: root runs it as the user postgres.
as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid postgres --regid postgres --clear-groups --)
pg() { local program=$1; shift; (cd / && "${as[@]}" "$PGBIN/$program" "$@"); }
sql() { pg psql -XqtA -v ON_ERROR_STOP=1 -h "$FILES" -p "$1" -U postgres -d postgres -c "$2"; }
start() { # NAME PORT
  pg pg_ctl start -w -s -D "$FILES/$1" -l "$FILES/$1.log" \
    -o "-c port=$2 -c listen_addresses=127.0.0.1 -c unix_socket_directories='$FILES'"
}

up() {
  # Whoever may enter this directory may use the sockets in it: its owner alone.
  mkdir -m 700 "$FILES"
  [ ${#as[@]} = 0 ] || chown postgres: "$FILES"

  # The primary, with a user who owns a database: it needs no other right.
  pg initdb -D "$FILES/primary" -U postgres --auth-local=trust --auth-host=scram-sha-256 >"$FILES/initdb.log"
  start primary "$PRIMARY"
  password=$(head -c 18 /dev/urandom | od -An -tx1 | tr -d ' \n')
  sql "$PRIMARY" "CREATE ROLE seoham LOGIN PASSWORD '$password'"
  sql "$PRIMARY" "CREATE DATABASE seoham OWNER seoham"

  # The standby: a copy of it that follows it, and goes by the name of "standby".
  pg pg_basebackup -D "$FILES/standby" -R -X stream -c fast \
    -d "host='$FILES' port=$PRIMARY user=postgres application_name=standby"
  start standby "$STANDBY"

  # From now on a COMMIT is answered when the standby has it on its disk too. With two standbys say
  # ANY 1 (one, other): the loss of either then stops nobody. Here there is one: without it, nothing
  # is acknowledged.
  sql "$PRIMARY" "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (standby)'"
  sql "$PRIMARY" "ALTER SYSTEM SET synchronous_commit = 'on'"
  sql "$PRIMARY" "SELECT pg_reload_conf()" >"$FILES/reload.log"
  until sql "$PRIMARY" "SELECT sync_state FROM pg_stat_replication" | grep -q quorum; do sleep 0.1; done

  echo "primary on port $PRIMARY, synchronous standby on port $STANDBY. Both are named, and whichever is"
  echo "the primary is used:"
  echo "postgres://seoham:$password@127.0.0.1:$PRIMARY,127.0.0.1:$STANDBY/seoham?target_session_attrs=read-write"
}

lose() {
  kill -KILL "$(head -n 1 "$FILES/primary/postmaster.pid")"
  echo "the primary was killed: sends are answered with 503, or with 500 where a COMMIT was under way"
  sleep "${AWAY:-5}" # seconds; in earnest, as long as it takes you or your cluster manager to decide
  pg pg_ctl promote -w -s -D "$FILES/standby"
  echo "the standby is the primary now, and the nodes find it by themselves"
  echo "never start the old primary again as it is: make it anew, as a standby of the new one"
}

down() {
  for name in primary standby; do
    pg pg_ctl stop -s -m immediate -D "$FILES/$name" 2>/dev/null || true
  done
  rm -rf "$FILES"
}

case "${1:-}" in
  up | lose | down) "$1" ;;
  *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac
