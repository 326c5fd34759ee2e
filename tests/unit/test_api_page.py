"""docs/api.md has every route of the API, as its OpenAPI documents tell of them."""

from docs_site import api_routes

PAGE = api_routes.PAGE.read_text()


def test_the_page_is_as_it_is_made() -> None:
    assert api_routes.page(PAGE) == PAGE, "run python -m docs_site.api_routes"


def test_every_route_is_on_it() -> None:
    for document in (api_routes.document(), api_routes.framework_document()):
        for path, methods in document["paths"].items():
            for method in methods:
                assert f"\n### {method.upper()} {path}\n" in PAGE


def test_a_route_is_told_with_its_role_a_request_and_an_answer() -> None:
    told = PAGE.split("### POST /v1/pod/{name}/pause\n")[1].split("\n### ")[0]
    assert "Role: operator." in told
    assert "| `name` | path | A pod instance. |" in told
    assert "| 409 | Not possible now; nothing was changed |" in told
    assert "curl -X POST http://127.0.0.1:8080/v1/pod/hello-0/pause \\\n" in told
    assert "    -H 'Content-Type: application/json' \\\n    -d '[\"server\"]'\n" in told
    assert '"pod": "hello-0"' in told
