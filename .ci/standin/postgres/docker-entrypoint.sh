#!/usr/bin/env bash
# First start: initdb, password, database, init files; then, and on every later start, the server.
set -euo pipefail

[ "${1:-postgres}" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA"
	chown postgres "$PGDATA"
	exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi

mkdir -p "$PGDATA"
chmod 700 "$PGDATA"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	: "${POSTGRES_PASSWORD:?must be set to make a new database}"
	export PGUSER=${POSTGRES_USER:-postgres}
	database=${POSTGRES_DB:-$PGUSER}

	read -ra initdb_arguments <<<"${POSTGRES_INITDB_ARGS:-}"
	initdb --username="$PGUSER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${initdb_arguments[@]}"
	printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"

	# No TCP until the setup is complete, so a client that waits for the port gets the finished database.
	pg_ctl start --wait --silent --options="-c listen_addresses=''"
	[ "$database" = postgres ] || psql --no-psqlrc --quiet --dbname postgres --set ON_ERROR_STOP=1 --set name="$database" \
		<<<'create database :"name";'
	for file in /docker-entrypoint-initdb.d/*; do
		case $file in
		*.sql) psql --no-psqlrc --quiet --dbname "$database" --set ON_ERROR_STOP=1 --file "$file" ;;
		*.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
		esac
	done
	pg_ctl stop --wait --silent --mode=fast
	unset PGUSER
fi

exec "$@" -c listen_addresses='*'
