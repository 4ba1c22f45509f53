"""Sign staff in by the city's own identity provider (OpenID Connect Core 1.0, code flow with PKCE)."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from twin.access.sealing import Sealer
from twin.access.sign_in import SignInRefusedError
from twin.errors import SetupError, UnavailableError

FLOW_COOKIE: Final = "gridtwin_oidc"
FLOW_S: Final = 600
"""Longest time between leaving for the provider and coming back."""

ALGORITHMS: Final = ("RS256", "ES256", "PS256")
"""Signatures an ID token may have; ``none`` and shared secrets are none of them."""

_TIMEOUT_S: Final = 10.0
_LEEWAY_S: Final = 60
_PLACE: Final = "oidc.flow"
_KNOWN_S: Final = 3600.0


class Problem(StrEnum):
    """Why a sign-in by a provider came to nothing, as the page of sign-in is told in its address."""

    UNKNOWN = "unknown"
    """The provider vouches for somebody who has no open account here."""
    CANCELLED = "cancelled"
    """The person, or the provider for them, said no."""
    EXPIRED = "expired"
    """The answer came too late, twice, or to another browser than the one that left."""
    REFUSED = "refused"
    """The provider's answer is not good."""
    AWAY = "away"
    """The provider does not answer."""
    NONE = "none"
    """This installation has no provider."""


class ProviderRefusedError(SignInRefusedError):
    """A sign-in by a provider came to nothing; ``problem`` is why."""

    def __init__(self, problem: Problem, what: str) -> None:
        super().__init__(what, where="identity provider", hint="begin again at /sign-in")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody the provider knows: the pair is theirs for ever, a name or an e-mail address is not."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the browser, and what it must bring back, sealed for a cookie."""

    url: str
    flow: str


class Provider:
    """One identity provider; its addresses and keys are asked of it once an hour.

    Parameters
    ----------
    issuer
        As the provider names itself, ``https://...``; plain http only on this machine.
    client_id, client_secret
        What the provider knows this installation by.
    sealer
        Seals the cookie of a sign-in under way.
    """

    def __init__(self, issuer: str, client_id: str, client_secret: str, sealer: Sealer) -> None:
        parts = urlsplit(issuer)
        if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
            raise SetupError("an identity provider must be reached by https", where=issuer)
        self.issuer = issuer.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._sealer = sealer
        self._known: tuple[dict[str, Any], KeySet, float] | None = None

    async def leave(self, redirect_uri: str, after: str) -> Departure:
        """Begin a sign-in: ``after`` is the page to show at the end.

        Raises
        ------
        UnavailableError
            The provider does not answer, or not as a provider does.
        """
        configuration, _ = await self._about()
        flow = {
            "state": secrets.token_urlsafe(24),
            "nonce": secrets.token_urlsafe(24),
            "verifier": secrets.token_urlsafe(48),
            "redirect_uri": redirect_uri,
            "after": after,
            "until": time.time() + FLOW_S,
        }
        async with self._client(redirect_uri) as client:
            url, _ = client.create_authorization_url(
                configuration["authorization_endpoint"],
                state=flow["state"],
                code_verifier=flow["verifier"],
                nonce=flow["nonce"],
            )
        return Departure(url, self._sealer.seal(json.dumps(flow), _PLACE).hex())

    async def arrive(
        self, flow_cookie: str | None, state: str, code: str | None, refusal: str | None = None
    ) -> tuple[Subject, str]:
        """Finish a sign-in: return who it is and the page to show.

        Parameters
        ----------
        code, refusal
            What the provider sent the browser back with: one of the two, RFC 6749 4.1.2.

        Raises
        ------
        ProviderRefusedError
            The answer belongs to another sign-in or another browser, came too late, says no, or is not good.
        UnavailableError
            The provider does not answer.
        """
        flow = self._opened(flow_cookie)
        if not secrets.compare_digest(flow["state"].encode(), state.encode()) or flow["until"] < time.time():
            raise ProviderRefusedError(
                Problem.EXPIRED, "the answer of the identity provider belongs to another sign-in"
            )
        if refusal == "access_denied":
            raise ProviderRefusedError(
                Problem.CANCELLED, "the sign-in was cancelled at the identity provider"
            )
        if code is None:
            raise _refused("the identity provider gave no code")
        configuration, keys = await self._about()
        async with self._client(flow["redirect_uri"]) as client:
            try:
                answer = await client.fetch_token(
                    configuration["token_endpoint"], code=code, code_verifier=flow["verifier"]
                )
            except httpx2.HTTPError as error:
                raise _away(self.issuer, error) from error
            except Exception as error:  # authlib's own errors have no common base but Exception
                raise _refused("the identity provider does not take its own code back") from error
        return Subject(self.issuer, self._subject(answer.get("id_token"), keys, flow["nonce"])), flow["after"]

    def _subject(self, token: object, keys: KeySet, nonce: str) -> str:
        if not isinstance(token, str):
            raise _refused("the identity provider gave no ID token")
        try:
            # Only our own key set and list are asked: a key or an address in the token's header never is.
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            jwt.JWTClaimsRegistry(
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self._client_id},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(decoded.claims)
        except (JoseError, ValueError) as error:
            raise _refused(f"the ID token is not good: {type(error).__name__}") from error
        claims = decoded.claims
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._client_id:
            raise _refused("the ID token was made for another program")
        return str(claims["sub"])

    def _opened(self, cookie: str | None) -> dict[str, Any]:
        try:
            flow: dict[str, Any] = json.loads(self._sealer.open(bytes.fromhex(cookie or ""), _PLACE))
        except (ValueError, SetupError) as error:
            raise ProviderRefusedError(Problem.EXPIRED, "this browser did not begin this sign-in") from error
        return flow

    def page_asked_for(self, flow_cookie: str | None) -> str:
        """Return the page that was to be shown at the end of a sign-in under way."""
        try:
            return str(self._opened(flow_cookie)["after"])
        except SignInRefusedError:
            return "/"

    def _client(self, redirect_uri: str) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._client_id,
            self._client_secret,
            redirect_uri=redirect_uri,
            scope="openid",
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
            follow_redirects=False,
        )

    async def _about(self) -> tuple[dict[str, Any], KeySet]:
        if self._known is not None and self._known[2] > time.monotonic():
            return self._known[0], self._known[1]
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as http:
                answer = await http.get(f"{self.issuer}/.well-known/openid-configuration")
                configuration = answer.raise_for_status().json()
                if configuration.get("issuer") != self.issuer:
                    raise ValueError(f"it calls itself {configuration.get('issuer')!r}")
                answer = await http.get(configuration["jwks_uri"])
                keys = KeySet.import_key_set(answer.raise_for_status().json())
        except (httpx2.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            raise _away(self.issuer, error) from error
        self._known = configuration, keys, time.monotonic() + _KNOWN_S
        return configuration, keys


def _refused(what: str) -> ProviderRefusedError:
    return ProviderRefusedError(Problem.REFUSED, what)


def _away(issuer: str, error: Exception) -> UnavailableError:
    return UnavailableError(
        f"the identity provider does not answer as it should: {error}",
        where=issuer,
        hint="sign in with a password, or try again",
    )
