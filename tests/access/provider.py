"""Be an identity provider: a process of its own that speaks OpenID Connect, and lies when it is told to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT = "gridtwin-test"
SECRET = "client-secret"


def make(port: int) -> FastAPI:
    app = FastAPI()
    issuer = f"http://127.0.0.1:{port}"
    key = RSAKey.generate_key(2048, {"kid": "right", "use": "sig"})
    foreign = RSAKey.generate_key(2048, {"kid": "foreign"})
    codes: dict[str, dict[str, str]] = {}
    mode = {"lie": ""}

    @app.get("/.well-known/openid-configuration")
    def configuration() -> dict[str, Any]:
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
        }

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return KeySet([key]).as_dict(private=False)

    @app.get("/foreign-keys")
    def foreign_keys() -> dict[str, Any]:
        return KeySet([foreign]).as_dict(private=False)

    @app.post("/lie/{lie}")
    def lie(lie: str) -> dict[str, str]:
        mode["lie"] = "" if lie == "no" else lie
        return mode

    @app.get("/authorize")
    def authorize(request: Request) -> RedirectResponse:
        query = request.query_params
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        codes[code] = {"nonce": query["nonce"], "challenge": query["code_challenge"]}
        return RedirectResponse(f"{query['redirect_uri']}?code={code}&state={query['state']}", 303)

    @app.post("/token")
    async def token(request: Request) -> JSONResponse:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        kept = codes.pop(form["code"], None)
        verifier = form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=")
        given = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {given}":
            return JSONResponse({"error": "invalid_client"}, 401)
        if kept is None or kept["challenge"] != challenge.decode():
            return JSONResponse({"error": "invalid_grant"}, 400)
        made = _token(mode["lie"], issuer, kept["nonce"], key, foreign)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": made})

    return app


def _token(lie: str, issuer: str, nonce: str, key: RSAKey, foreign: RSAKey) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": CLIENT,
        "sub": "person-1",
        "iat": now,
        "exp": now + 300,
        "nonce": nonce,
    }
    header: dict[str, Any] = {"alg": "RS256", "kid": "right"}
    signer: Any = key
    changes: dict[str, dict[str, Any]] = {
        "expired": {"exp": now - 3600, "iat": now - 7200},
        "audience": {"aud": "another-program"},
        "two-audiences": {"aud": [CLIENT, "another-program"], "azp": "another-program"},
        "issuer": {"iss": "https://evil.example"},
        "nonce": {"nonce": "of-another-sign-in"},
        "no-nonce": {"nonce": None},
        "no-expiry": {"exp": None},
    }
    claims |= changes.get(lie, {})
    claims = {name: value for name, value in claims.items() if value is not None}
    if lie == "none":
        return f"{_part({'alg': 'none'})}.{_part(claims)}."
    if lie == "hs":  # the public key, which everybody knows, as a shared secret
        signed = f"{_part({'alg': 'HS256', 'kid': 'right'})}.{_part(claims)}"
        made = hmac.new(key.as_pem(private=False), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"
    if lie == "jwk":
        header, signer = {"alg": "RS256", "jwk": foreign.as_dict(private=False)}, foreign
    elif lie == "jku":
        header, signer = {"alg": "RS256", "kid": "foreign", "jku": f"{issuer}/foreign-keys"}, foreign
    elif lie == "kid":
        header, signer = {"alg": "RS256", "kid": "../../../../dev/null"}, foreign
    elif lie == "foreign":
        signer = foreign
    text = jwt.encode(header, claims, signer, registry=_anything())
    if lie == "changed":
        head, _, sign = text.split(".")
        return f"{head}.{_part(claims | {'sub': 'somebody-else'})}.{sign}"
    return text


def _anything() -> Any:
    from joserfc.jws import JWSRegistry

    return JWSRegistry(algorithms=["RS256"], strict_check_header=False)


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


if __name__ == "__main__":
    uvicorn.run(make(int(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
