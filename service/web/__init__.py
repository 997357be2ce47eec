"""The pages for people at the service's own root: server-rendered, without a script, behind a sign-in."""

from fastapi import APIRouter

from service.web import pages, signing
from service.web.errors import error_page

router = APIRouter(include_in_schema=False)
router.include_router(signing.router)
router.include_router(pages.router)

__all__ = ["error_page", "router"]
