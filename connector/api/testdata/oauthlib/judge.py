"""Requests access tokens with oauthlib, by the client credentials of RFC 6749.

One JSON object per line comes in, one per line goes out, until the input ends:

    {"url", "client_id", "client_secret", "scope"?, "style": "form" | "basic"}
        -> {"access_token", "expires_in", "scope"} | {"error", "description", "status"}
"""

import base64
import json
import sys
import urllib.error
import urllib.request

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error


def answer(task):
    client = BackendApplicationClient(task["client_id"])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if task["style"] == "form":
        body = client.prepare_request_body(scope=task.get("scope"), include_client_id=True, client_secret=task["client_secret"])
    else:
        body = client.prepare_request_body(scope=task.get("scope"))
        pair = task["client_id"] + ":" + task["client_secret"]
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    status = 200
    try:
        with urllib.request.urlopen(urllib.request.Request(task["url"], body.encode(), headers)) as response:
            text = response.read().decode()
    except urllib.error.HTTPError as refused:
        status, text = refused.code, refused.read().decode()
    try:
        token = client.parse_request_body_response(text, scope=task.get("scope"))
    except OAuth2Error as refused:
        return {"error": refused.error, "description": refused.description, "status": status}
    return {"access_token": token["access_token"], "expires_in": token["expires_in"], "scope": " ".join(token.scopes)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
