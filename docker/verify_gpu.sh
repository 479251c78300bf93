#!/bin/sh
# Runs the doctor on this machine and in a container of each image; ends with the worst of their exit codes.
#
#   docker/verify_gpu.sh docker compose -f docker/docker-compose.yml -f docker/docker-compose.gpu.yml
#
# A container of its own for each: it has what its service has, also when that service does not start, and its memory
# is not taken from the worker's.

worst=0

examine() {
    printf '\n== %s\n' "$1"
    shift
    "$@" </dev/null || { code=$?; [ "$code" -le "$worst" ] || worst=$code; }
}

services=$("$@" config --services) || exit

examine "this machine" "${PYTHON:-python3}" backend/scripts/verify_gpu.py --role host --require-gpu
for service in $services; do
    case $service in
        worker) role="--role app" ;;
        siglip-worker) role="--role siglip --require-gpu" ;;
        sam3-worker) role="--role sam3 --require-gpu" ;;
        *) continue ;;
    esac
    # shellcheck disable=SC2086 # the role is several words
    examine "a container of $service" "$@" run --rm --no-deps -T "$service" doctor $role
done
exit "$worst"
