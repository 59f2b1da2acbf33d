"""Signs and verifies OAuth 1.0a requests by oauthlib, the library of both known production connectors.

One JSON object per line comes in, one per line goes out, until the input ends:

    {"task": "sign", "key", "secret", "method", "url", "algorithm", "nonce", "timestamp", "headers"?, "body"?}
        -> {"header": "OAuth ..."}
    {"task": "verify", "key", "secret", "method", "url", "header"}
        -> {"accepted": true | false}

{"refused": "why"} answers a request that oauthlib does not even read.
"""

import json
import sys

from oauthlib.oauth1 import Client, RequestValidator, SignatureOnlyEndpoint


class Validator(RequestValidator):
    """Knows one key, and remembers every nonce."""

    enforce_ssl = False  # http is a hop behind a proxy
    nonce_length = (16, 50)  # as the production connectors have it (docs/reference/aps-protocol.md §2.1)

    def __init__(self):
        super().__init__()
        self.key = self.secret = ""
        self.seen = set()

    def check_client_key(self, client_key):
        """Operators choose keys; their form is no matter of the signature."""
        return bool(client_key)

    def validate_timestamp_and_nonce(self, client_key, timestamp, nonce, request, **_):
        fresh = (client_key, timestamp, nonce) not in self.seen
        self.seen.add((client_key, timestamp, nonce))
        return fresh

    def validate_client_key(self, client_key, request):
        return client_key == self.key

    def get_client_secret(self, client_key, request):
        return self.secret if client_key == self.key else "nobody's"

    dummy_client = "nobody"


def sign(task):
    client = Client(
        task["key"],
        client_secret=task["secret"],
        signature_method=task["algorithm"],
        nonce=task["nonce"],
        timestamp=task["timestamp"],
    )
    _, headers, _ = client.sign(task["url"], task["method"], task.get("body"), task.get("headers"))
    return {"header": headers["Authorization"]}


def verify(task, validator, endpoint):
    validator.key, validator.secret = task["key"], task["secret"]
    accepted, _ = endpoint.validate_request(task["url"], task["method"], "", {"Authorization": task["header"]})
    return {"accepted": accepted}


def main():
    validator = Validator()
    endpoint = SignatureOnlyEndpoint(validator)
    for line in sys.stdin:
        task = json.loads(line)
        try:
            answer = sign(task) if task["task"] == "sign" else verify(task, validator, endpoint)
        except ValueError as err:
            answer = {"refused": str(err)}
        print(json.dumps(answer), flush=True)


main()
