"""JSON web tokens of an issuer whose keys are in a file: checked here, made elsewhere."""

import json
from pathlib import Path
from typing import Any

from dfd.daemon.endpoint.auth import Right, Token
from dfd.errors import UserError

# asymmetric ones: whoever can check a token must not be able to make one
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_LEEWAY_SECONDS = 30


class JwtVerifier:
    """Turns a signed token into what it allows.

    The claims `iss`, `aud`, `exp` and `sub` are asked for. `scope` names rights as
    "dfd:detect dfd:info"; without any of them a token allows both. `dfd_streams`,
    `dfd_minutes` and `dfd_models` limit it as the keys of the token file do.

    Args:
        keys: a JSON web key set (RFC 7517) with the issuer's public keys.
        issuer, audience: what a token must say.

    Raises:
        UserError: if the file cannot be read or holds no keys, or PyJWT is missing.
    """

    def __init__(self, keys: Path, issuer: str, audience: str) -> None:
        try:
            import jwt
        except ModuleNotFoundError:
            raise UserError("--jwt-keys needs the package PyJWT: pip install 'dfd[jwt]'") from None
        self._jwt = jwt
        self._issuer, self._audience = issuer, audience
        try:
            found = jwt.PyJWKSet.from_dict(json.loads(keys.read_text(encoding="utf-8"))).keys
        except OSError as error:
            raise UserError(f"cannot read the key set {keys}: {error.strerror}") from None
        except (ValueError, AttributeError, jwt.PyJWTError):
            raise UserError(
                f"{keys} is not a JSON web key set; export the issuer's public keys as JWKS"
            ) from None
        self._keys = {key.key_id: key for key in found if key.key_type != "oct"}
        if not self._keys:
            raise UserError(f"{keys} holds no public key; export the issuer's keys as JWKS")

    def verify(self, secret: str) -> Token | None:
        """What a token allows; None where it is not one that holds here and now."""
        jwt = self._jwt
        try:
            header = jwt.get_unverified_header(secret)
            key = self._keys.get(header.get("kid"))
            if key is None and len(self._keys) == 1 and "kid" not in header:
                key = next(iter(self._keys.values()))
            if key is None:
                return None
            claims = jwt.decode(
                secret,
                key.key,
                algorithms=[key.algorithm_name] if key.algorithm_name in _ALGORITHMS else [],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            return _token(claims)
        except (jwt.PyJWTError, ValueError, TypeError):
            return None


def looks_like_jwt(secret: str) -> bool:
    """Three parts with dots between them."""
    return secret.count(".") == 2


def _token(claims: dict[str, Any]) -> Token:
    scopes = str(claims.get("scope", "")).split()
    named = {scope.removeprefix("dfd:") for scope in scopes if scope.startswith("dfd:")}
    rights = frozenset(right for right in Right if right.value in named)
    models = claims.get("dfd_models")
    streams, minutes = claims.get("dfd_streams"), claims.get("dfd_minutes")
    return Token(
        name=f"jwt:{claims['sub']}",
        digest=b"",
        allow=rights if named else frozenset({Right.DETECT, Right.INFO}),
        streams=None if streams is None else int(streams),
        minutes=None if minutes is None else float(minutes),
        models=None if models is None else frozenset(map(str, models)),
    )
