#!/bin/sh
# Says in one line what is missing to use the compose files, and what to do about it.

explain() {
    echo "$1" >&2
    exit 1
}

command -v docker >/dev/null 2>&1 ||
    explain "Docker is not installed: install Docker Engine with its Compose plugin, or use 'make local', which needs neither."

version=$(docker compose version --short 2>/dev/null) ||
    explain "Docker has no Compose plugin: install docker-compose-plugin 2.24 or newer (docker-compose-v2 on Ubuntu)."

version=${version#v}
major=${version%%.*}
minor=${version#*.}
minor=${minor%%.*}
[ "$major" -gt 2 ] 2>/dev/null || { [ "$major" -eq 2 ] && [ "$minor" -ge 24 ]; } 2>/dev/null ||
    explain "Docker Compose $version is too old: 2.24 or newer is needed; upgrade docker-compose-plugin (docker-compose-v2 on Ubuntu)."

if ! answer=$(docker version --format '{{.Server.Version}}' 2>&1); then
    case $answer in
        *"permission denied"*)
            explain "You may not use Docker: run 'sudo usermod -aG docker $(id -un)' and log in again, or use sudo." ;;
        *)
            explain "The Docker engine does not answer: start it ('sudo systemctl start docker'), or look at DOCKER_HOST." ;;
    esac
fi
