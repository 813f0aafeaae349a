#!/usr/bin/env bash
# Makes the certificates of a cluster that is closed to strangers: an authority, and one for each node that it is called for.
#   scripts/make-certificates.sh DIR [NAME_OR_IP …]     for one node, which is reached under these
#   scripts/make-certificates.sh --any-name DIR         for nodes whose names nobody knows beforehand, such as containers
# DIR then holds ca.crt, node.crt and node.key: what --tls DIR wants. Without names: localhost, 127.0.0.1, ::1 and the name of
# this machine. The authority and its key stay apart from what nodes get, in DIR/../authority; the next call finds them there
# and makes a certificate of the same authority for another DIR. Keep that folder where no node is: whoever has the key makes
# members.
#   AUTHORITY=DIR       another folder for the authority
#   DAYS=825            how long node.crt is valid
#   AUTHORITY_DAYS=3650 how long a new authority is
# Nothing is overwritten. To renew node.crt: remove it and node.key, and call again.
set -euo pipefail

say() { echo "make-certificates: $*" >&2; }
fail() { say "$*"; exit 2; }

any=
if [ "${1-}" = --any-name ]; then any=1; shift; fi
[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || fail "usage: scripts/make-certificates.sh [--any-name] DIR [NAME_OR_IP …]"
command -v openssl >/dev/null || fail "openssl is not here. Install it: apt-get install openssl"
directory=$1; shift
days=${DAYS-825}; authority_days=${AUTHORITY_DAYS-3650}
for number in "$days" "$authority_days"; do
  [[ $number =~ ^[1-9][0-9]{0,5}$ ]] || fail "'$number' is no number of days. DAYS and AUTHORITY_DAYS are from 1 to 999999."
done

names=()
if [ -n "$any" ]; then
  [ $# -eq 0 ] || fail "--any-name is for every name: give none."
  # NodeCertificates.AnyName: a name that no machine has, and that nodes take for every name.
  names=(DNS:any.dtrain.internal)
else
  [ $# -gt 0 ] || set -- localhost 127.0.0.1 ::1 "$(hostname)"
  for name in "$@"; do
    if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then names+=("IP:$name")
    elif [[ $name =~ ^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$ ]]; then names+=("DNS:$name")
    else fail "'$name' is no name and no address. Write such as node-1.example or 10.0.0.3."
    fi
  done
fi

# Of a key nobody but its owner reads anything, from the first byte on.
umask 077
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
authority=${AUTHORITY-$(dirname "$directory")/authority}
for file in node.crt node.key; do
  [ ! -e "$directory/$file" ] || fail "$directory/$file is there already, and is not overwritten. Remove it to make a new one."
done

work=$(mktemp -d "$directory/.making-XXXXXX")
trap 'rm -rf "$work"' EXIT
quietly() { "$@" 2>"$work/said" || { cat "$work/said" >&2; fail "openssl failed"; }; }
key() { quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

if [ -e "$authority/ca.key" ] && [ -e "$authority/ca.crt" ]; then
  say "authority: $authority, which is there already"
elif [ -e "$authority/ca.key" ] || [ -e "$authority/ca.crt" ]; then
  fail "$authority holds only one of ca.crt and ca.key. Bring the other back, or remove it to begin a new authority: all nodes then need new certificates."
else
  mkdir -p "$authority"
  key "$work/ca.key"
  quietly openssl req -x509 -new -sha256 -key "$work/ca.key" -days "$authority_days" -subj "/CN=dtrain authority $(date -u +%Y-%m-%d) $(openssl rand -hex 4)" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign -out "$work/ca.crt"
  mv -n "$work/ca.key" "$work/ca.crt" "$authority/"
  say "authority: $authority, new, valid for $authority_days days. Keep ca.key apart from the nodes."
fi

if [ -e "$directory/ca.crt" ] && ! cmp -s "$directory/ca.crt" "$authority/ca.crt"; then
  fail "$directory/ca.crt is of another authority than $authority. Give AUTHORITY=DIR, or remove it."
fi

key "$work/node.key"
subject=${names[0]#*:}
quietly openssl req -new -sha256 -key "$work/node.key" -subj "/CN=${subject:0:64}" -out "$work/node.csr"
printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth,clientAuth" \
  "subjectAltName=$(IFS=,; echo "${names[*]}")" "authorityKeyIdentifier=keyid" >"$work/extensions"
quietly openssl x509 -req -sha256 -in "$work/node.csr" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
  -days "$days" -extfile "$work/extensions" -out "$work/node.crt"
quietly openssl verify -CAfile "$authority/ca.crt" "$work/node.crt" >/dev/null
[ -e "$directory/ca.crt" ] || cp "$authority/ca.crt" "$directory/ca.crt"
mv -n "$work/node.key" "$work/node.crt" "$directory/"
chmod 600 "$directory/node.key" "$authority/ca.key"
chmod 644 "$directory/ca.crt" "$directory/node.crt" "$authority/ca.crt"
say "$directory: ca.crt, node.crt, node.key for $(IFS=' '; echo "${names[*]#*:}"), valid until $(openssl x509 -in "$directory/node.crt" -noout -enddate | cut -d= -f2)"
