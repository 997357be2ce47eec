#!/bin/sh
# NAME_FILE=/run/secrets/x becomes NAME=<what the file holds>: secrets stay out of images, compose files
# and `docker inspect`. Only for the two that are read from the environment; Ray reads its own token file.
set -eu
for name in PGPASSWORD ISTHMUS_PROJECT_KEY; do
  eval "file=\${${name}_FILE:-}"
  [ -n "$file" ] || continue
  [ -r "$file" ] || { echo "isthmus: ${name}_FILE is $file, which cannot be read; mount the secret there" >&2; exit 2; }
  export "$name=$(cat "$file")"
done
exec "$@"
