#!/bin/sh
# Secrets for compose.yaml, once: what is there is left alone. The files are for user 1000 of the images,
# and stay out of git and of the images (.gitignore, Dockerfile.dockerignore).
set -eu
folder="${1:-$(dirname "$0")/secrets}"
mkdir -p "$folder"
chmod 711 "$folder"
for name in postgres_password project_key ray_token; do
  [ -s "$folder/$name" ] && continue
  ( umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$folder/$name" )
  echo "made $folder/$name"
done
# The database's own image reads its password as root, ours as user 1000.
if [ "$(id -u)" = 0 ]; then chown 1000 "$folder"/*; fi
