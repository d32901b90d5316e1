"""Verifies Tollway's access tokens in another service, by the keys that Tollway publishes: no call for each request.

Reads tokens, one a line, and tells for each who it is about, or why it is refused.
"""

import json
import os
import sys

import jwt

ISSUER = os.environ["TOLLWAY_ISSUER"].rstrip("/")  # The public URL of your Tollway.
AUDIENCE = os.environ.get("TOLLWAY_AUDIENCE", ISSUER)  # Its setting token_audience, if you have set it.

# Keeps the keys for an hour. A token by a key that is not among them has them asked for again, twice a minute at most.
keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=3600, timeout=5)


def verify(token):
    """What an access token says. Raises jwt.PyJWTError for whatever is none, or is not for this service."""
    # The same keys sign tokens for other purposes.
    if jwt.get_unverified_header(token).get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("This is no access token")
    key = keys.get_signing_key_from_jwt(token)
    required = {"require": ["exp", "iat", "sub", "aud", "iss"]}
    return jwt.decode(token, key, algorithms=["EdDSA"], issuer=ISSUER, audience=AUDIENCE, options=required)


def main():
    for line in sys.stdin:
        try:
            claims = verify(line.strip())
            told = {"user": claims["sub"], "account": claims.get("account"), "role": claims.get("role")}
        except jwt.PyJWTError as error:
            told = {"refused": str(error)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
