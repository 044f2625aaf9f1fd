#!/bin/sh
# Save the database and the files of an installation.
#
#   DATABASE_URL=… FILES_URL=… sh deploy/backup.sh /srv/backups
#
# Makes /srv/backups/kaowu-<UTC time>/ with the database, the files and their checksums; it bears
# that name only when it is complete. The database is saved first: files are written before the row
# that names them, so every file that the saved rows name is in the later copy. The secrets are not
# saved: keep DATA_KEYS and DIGEST_KEY apart, for whoever has them and a backup can read it all.
set -eu
: "${1:?the folder for backups}" "${DATABASE_URL:?}" "${FILES_URL:?}" "${PYTHON:=python3}"
umask 077
name=kaowu-$(date -u +%Y%m%dT%H%M%SZ)
partial=$1/.$name.partial
mkdir -p "$partial"
trap 'rm -rf "$partial"' EXIT

case $DATABASE_URL in
sqlite:///*)
    # SQLite's own backup: correct while others write.
    "$PYTHON" -c '
import sqlite3, sys
with sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True) as source:
    with sqlite3.connect(sys.argv[2]) as target:
        source.backup(target)
' "${DATABASE_URL#sqlite:///}" "$partial/database.sqlite3"
    ;;
*)
    url=postgresql:${DATABASE_URL#*:} # without the name of the Python driver
    pg_dump --format=custom --no-owner --no-privileges --file="$partial/database.dump" --dbname="$url"
    ;;
esac

case $FILES_URL in
file://*)
    files=${FILES_URL#file://}
    mkdir -p "$files"
    tar -C "$files" -cf "$partial/files.tar" .
    ;;
*) echo "The files in $FILES_URL are not in this backup: use the store's own versions." ;;
esac

(cd "$partial" && sha256sum -- * >SHA256SUMS)
mv "$partial" "$1/$name"
trap - EXIT
echo "$1/$name"
