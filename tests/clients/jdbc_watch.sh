#!/usr/bin/env bash
# Comdb2's watch example through JDBC: the script of the manual by psql -f, its rows by pgjdbc (CDB-308, CDB-901, CDB-904, 13.2).
# Needs a JDK and pgjdbc (`./tests/run` installs Debian's openjdk and libpostgresql-jdbc-java).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
jar=${PGJDBC_JAR:-/usr/share/java/postgresql.jar}
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
psql -X -q -v ON_ERROR_STOP=1 -f "$here/comdb2_watch.sql"
javac -d "$folder" "$here/Comdb2Watch.java"
timeout 60 java -cp "$folder:$jar" Comdb2Watch >"$folder/found"
cat >"$folder/expected" <<'END'
t|add|1|3.142857|hello|0 years 5 mons 0 days 0 hours 0 mins 0.0 secs|null|null|null|null
depth 3
t|upd|4|4.142857|hello|0 years 5 mons 0 days 0 hours 0 mins 0.0 secs|1|3.142857|hello|0 years 5 mons 0 days 0 hours 0 mins 0.0 secs
depth 2
t|del|null|null|null|null|4|4.142857|hello|0 years 5 mons 0 days 0 hours 0 mins 0.0 secs
depth 1
END
diff -u "$folder/expected" "$folder/found"
echo "jdbc watch: all good"
