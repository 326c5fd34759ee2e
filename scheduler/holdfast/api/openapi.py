"""The OpenAPI document, with the role that each request needs."""

from typing import Any

from fastapi import FastAPI

from holdfast.api.access import needed_role

ROLE = "x-role"
NOBODY = "none"
"""What `x-role` says where no credentials are asked for."""

_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer"},
    "password": {"type": "http", "scheme": "basic"},
}


class DocumentedApi(FastAPI):
    """An application that tells who may make its requests when it asks for credentials."""

    def __init__(self, below: str = "", **settings: Any) -> None:
        """`below` is the path under which all of it is served."""
        super().__init__(**settings)
        self._below = below

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"]["securitySchemes"] = _SCHEMES
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    role = needed_role(method.upper(), f"{self._below}{path}")
                    operation[ROLE] = NOBODY if role is None else role.value
                    operation["security"] = (
                        [] if role is None else [{name: []} for name in _SCHEMES]
                    )
            self.openapi_schema = document
        return self.openapi_schema
