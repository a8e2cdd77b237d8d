"""Pages as HTML, with what a browser must know to keep them safe: nothing from elsewhere, no script, nothing kept."""

import secrets
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from mlubench.serving.sessions import PAGES, Session

if TYPE_CHECKING:
    from starlette.responses import Response


def rendered(
    template: str, session: Session | None, status: int = HTTPStatus.OK, **shown: object
) -> "Response":
    """A page. `shown` is what its template shows; a session's token goes into its forms."""
    from starlette.responses import HTMLResponse

    nonce = secrets.token_urlsafe(16)
    html = (
        _environment()
        .get_template(f"{template}.html.j2")
        .render(
            nonce=nonce,
            pages=PAGES,
            token=session.token if session is not None else "",
            who=session.caller.name if session is not None else "",
            **shown,
        )
    )
    return HTMLResponse(html, status, headers=safe_headers(nonce))


def safe_headers(nonce: str = "") -> dict[str, str]:
    """What goes with every answer. `nonce` is that of the page's own style."""
    style = f"style-src 'nonce-{nonce}'; " if nonce else ""
    policy = (
        f"default-src 'none'; {style}img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("mlubench.serving.queue_page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
