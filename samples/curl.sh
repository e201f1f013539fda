#!/bin/sh
# Attaché with curl: token → upload → document → read it back → link → checked download into ./downloads.
#
#   export ATTACHE_URL=http://127.0.0.1:8700 ATTACHE_APP_KEY=… ATTACHE_APP_SECURITY=…
#   sh curl.sh 发票.pdf
#
# Secrets, tokens and links reach curl in files that only you can read: arguments are seen by everybody (`ps`).
set -eu

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

[ $# -eq 1 ] || fail 'usage: curl.sh FILE'
[ -n "${ATTACHE_URL:-}" ] && [ -n "${ATTACHE_APP_KEY:-}" ] && [ -n "${ATTACHE_APP_SECURITY:-}" ] ||
  fail 'set ATTACHE_URL, ATTACHE_APP_KEY and ATTACHE_APP_SECURITY'
file=$1
name=${file##*/}
# The service takes no such name. And so no string below needs more of JSON than this script knows.
case $name in *[\"\\]*) fail 'the name holds a quote or a backslash' ;; esac
[ -r "$file" ] || fail "can't read $file"

api=${ATTACHE_URL%/}/api/openapi
part=
work=$(umask 077 && mktemp -d)
trap 'rm -rf "$work" ${part:+"$part"}' EXIT
trap 'exit 1' HUP INT TERM

# The string FIELD of an answer. Some writers of JSON escape `&` and `/` in links.
field() {
  LC_ALL=C sed -nE "s/.*\"$1\": *\"(([^\"\\\\]|\\\\.)*)\".*/\\1/p" "${2:-$work/answer}" |
    LC_ALL=C sed 's/\\u0026/\&/g; s|\\/|/|g'
}

# Header NAME of the download, in lower case.
header() {
  awk -v name="$1:" 'tolower($1) == name { sub(/\r$/, ""); print $2 }' "$work/head"
}

# What the service says of a failure, which a proxy may say in plain text.
refused() {
  message=$(field errorMessage "$2")
  fail "${message:-HTTP $1 $(head -c 200 "$2" | tr '\n' ' ')}"
}

# call PATH [curl's options]: the answer lies in $work/answer, and is a success.
call() {
  printf 'url = "%s"\n' "$api$1" >"$work/url"
  shift
  : >"$work/answer"
  status=$(curl -sS -g --connect-timeout 10 --max-time 300 -K "$work/url" \
    -o "$work/answer" -w '%{http_code}' "$@") || exit 1
  [ "$status" = 200 ] || refused "$status" "$work/answer"
}

json='Content-Type: application/json'

printf '{"appKey":"%s","appSecurity":"%s"}' "$ATTACHE_APP_KEY" "$ATTACHE_APP_SECURITY" |
  call /v1/auth/getAccessToken -H "$json" --data-binary @-
token=$(field accessToken)

# --form-string, since -F would open a file for a name that begins with @ or <.
call "/v2/attachment/upload?accessToken=$token" \
  --form-string "name=$name" -F "file=@-;filename=\"$name\"" <"$file"
key=$(field key) id=$(field fileId)

# The vendor's own service wants the fields of your template as well.
printf '{"form":{"title":"curl","attachments":[{"key":"%s","fileId":"%s","fileName":"%s"}]}}' "$key" "$id" "$name" |
  call "/v2.2/flow/data?isCommit=false&accessToken=$token" -H "$json" --data-binary @-
code=$(field code)

call "/v1.1/flowDetails/byCode?code=$code&accessToken=$token"
key=$(field key) id=$(field fileId) name=$(field fileName)
name=${name##*/}

printf '[{"id":"%s","key":"%s","expiration":600}]' "$id" "$key" |
  call "/v2/attachment/downloadurls?accessToken=$token" -H "$json" --data-binary @-
link=$(field url)
[ -n "$link" ] || fail "no link for $name: unknown, removed or of another corporation"

# The link goes as it came: it is signed, and curl would put braces, brackets and dots in order.
printf 'url = "%s"\n' "$link" >"$work/url"
mkdir -p downloads
part=downloads/$name.part
: >"$part"
status=$(curl -sS -g --path-as-is --connect-timeout 10 --speed-limit 1 --speed-time 30 -K "$work/url" \
  -D "$work/head" -o "$part" -w '%{http_code}') || exit 1
[ "$status" = 200 ] || refused "$status" "$part"

size=$(($(wc -c <"$part")))
length=$(header content-length)
[ "$size" = "$length" ] || fail "$name: $size bytes came, not ${length:-as many as promised}"
md5=$(md5sum <"$part" | cut -d ' ' -f 1)
promised=$(header content-md5 | base64 -d | od -An -tx1 | tr -d ' \n')
[ "$md5" = "$promised" ] || fail "$name: the MD5 is $md5, not ${promised:-that of Content-MD5}"
mv "$part" "downloads/$name"
part=
printf 'ok %s %s %s\n' "$name" "$size" "$md5"
