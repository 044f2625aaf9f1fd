#!/bin/sh
# Bring a backup of deploy/backup.sh back into an empty database and an empty folder.
#
#   DATABASE_URL=… FILES_URL=… sh deploy/restore.sh /srv/backups/kaowu-<UTC time>
#
# Stop Kaowu first. Nothing that exists is overwritten: a database with tables or a folder with
# files is refused. DATA_KEYS and DIGEST_KEY must be those that the installation had.
set -eu
: "${1:?the folder of one backup}" "${DATABASE_URL:?}" "${FILES_URL:?}"
umask 027
cd "$1"
sha256sum --quiet --check SHA256SUMS

files=''
if [ -e files.tar ]; then
    case $FILES_URL in
    file://*) files=${FILES_URL#file://} ;;
    *) echo "The backup holds files, but FILES_URL is not a folder." >&2 && exit 1 ;;
    esac
    if [ -n "$(ls -A "$files" 2>/dev/null)" ]; then
        echo "$files is not empty: move it away first." >&2
        exit 1
    fi
fi

case $DATABASE_URL in
sqlite:///*)
    database=${DATABASE_URL#sqlite:///}
    if [ -s "$database" ]; then
        echo "$database exists: move it away first." >&2
        exit 1
    fi
    cp database.sqlite3 "$database"
    ;;
*)
    url=postgresql:${DATABASE_URL#*:}
    tables=$(psql --dbname="$url" -Atqc "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    if [ "$tables" != 0 ]; then
        echo "The database already has $tables tables: create an empty one first." >&2
        exit 1
    fi
    pg_restore --no-owner --no-privileges --exit-on-error --single-transaction --dbname="$url" database.dump
    ;;
esac

if [ -n "$files" ]; then
    mkdir -p "$files"
    tar -C "$files" -xf files.tar
fi
echo "restored; next: kaowu db upgrade"
