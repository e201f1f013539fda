#!/usr/bin/env python3
"""Attaché from Python alone: token, upload, document, read it back, link, checked download into ./downloads.

    export ATTACHE_URL=http://127.0.0.1:8700 ATTACHE_APP_KEY=… ATTACHE_APP_SECURITY=…
    python3 python.py 发票.pdf
"""
import base64
import hashlib
import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path


class Failure(Exception):
    """What to tell the user. Never holds a token or a link."""


def open_checked(request):
    """An open answer with status 200, or the service's own words; a proxy says them in plain text."""
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        response = error
    if response.status == 200:
        return response
    with response:
        text = response.read().decode("utf-8", "replace")
    try:
        raise Failure(json.loads(text)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        raise Failure(f"HTTP {response.status} {text[:200]}") from None


def call(path, query=None, body=None, content_type="application/json"):
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    url = f"{os.environ['ATTACHE_URL'].rstrip('/')}/api/openapi{path}?{urllib.parse.urlencode(query or {})}"
    headers = {"Content-Type": content_type} if body is not None else {}
    with open_checked(urllib.request.Request(url, data=body, headers=headers)) as response:
        return json.load(response)


def form_of(file):
    """multipart/form-data with names in UTF-8. In memory: the service takes 30 MiB at most."""
    boundary = uuid.uuid4().hex
    quoted = file.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="name"\r\n\r\n{file.name}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def download(link, path):
    """Saves the file whole and checked, or not at all. The link goes as it came: it is signed."""
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    md5, size = hashlib.md5(), 0
    try:
        with open_checked(link) as response, part.open("wb") as file:
            while chunk := response.read(256 * 1024):
                file.write(chunk)
                md5.update(chunk)
                size += len(chunk)
        if str(size) != response.headers["Content-Length"]:
            raise Failure(f"{path.name}: {size} bytes came, not {response.headers['Content-Length']}")
        if base64.b64encode(md5.digest()).decode() != response.headers["Content-MD5"]:
            raise Failure(f"{path.name}: the MD5 is not that of Content-MD5")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return size, md5.hexdigest()


def main(arguments):
    if len(arguments) != 1 or not {"ATTACHE_URL", "ATTACHE_APP_KEY", "ATTACHE_APP_SECURITY"} <= set(os.environ):
        raise Failure("usage: set ATTACHE_URL, ATTACHE_APP_KEY and ATTACHE_APP_SECURITY, then python.py FILE")
    pair = {"appKey": os.environ["ATTACHE_APP_KEY"], "appSecurity": os.environ["ATTACHE_APP_SECURITY"]}
    token = {"accessToken": call("/v1/auth/getAccessToken", body=pair)["value"]["accessToken"]}

    uploaded = call("/v2/attachment/upload", token, *form_of(Path(arguments[0])))["value"]
    triple = {name: uploaded[name] for name in ("key", "fileId", "fileName")}

    # The vendor's own service wants the fields of your template as well.
    form = {"title": "Python", "attachments": [triple]}
    code = call("/v2.2/flow/data", {"isCommit": "false", **token}, {"form": form})["flow"]["form"]["code"]
    attachments = call("/v1.1/flowDetails/byCode", {"code": code, **token})["value"]["form"]["attachments"]

    items = [{"id": one["fileId"], "key": one["key"], "expiration": 600} for one in attachments]
    links = {link["id"]: link["url"] for link in call("/v2/attachment/downloadurls", token, items)}
    for one in attachments:
        # Only the last part of a fileName becomes a name here.
        name = Path(one["fileName"]).name
        # The service leaves out what it does not find.
        if one["fileId"] not in links:
            raise Failure(f"no link for {name}: unknown, removed or of another corporation")
        size, md5 = download(links[one["fileId"]], Path("downloads", name))
        print("ok", name, size, md5)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Failure, OSError) as error:
        sys.exit(str(error))
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        # Its text may hold the address.
        sys.exit(f"not an answer of this API: {type(error).__name__}")
