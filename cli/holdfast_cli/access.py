"""`holdfast access`: entries for the file of those who may use the API."""

import hashlib
import secrets

import click


@click.group()
def access() -> None:
    """Passwords and tokens for the scheduler's --api-credentials; asks no scheduler."""


@access.command("password")
@click.password_option(help="Asked for when not given.")
def password(password: str) -> None:
    """The hash of a password, for `users.NAME.password`."""
    import argon2

    click.echo(argon2.PasswordHasher().hash(password))


@access.command("token")
def token() -> None:
    """A new token, shown once, and its digest, for `tokens.NAME.sha256`."""
    value = secrets.token_urlsafe(32)
    click.echo(f"token:  {value}\nsha256: {hashlib.sha256(value.encode()).hexdigest()}")
