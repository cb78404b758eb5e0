"""The local server of the review page: known paths below a random token, to this machine's own browser alone."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from cytogenetics.review.decisions import Action, CellDecisions, Decision, DecisionLog
from cytogenetics.review.reviewed import Reviewed
from datamodules.io.decode import MAX_SIDE
from karyocyte.common.errors import UserError

HOST = "127.0.0.1"
LONGEST_TEXT = 500  # letters of a note or reason
# What an action on the picture of a metaphase has: images of the cell, left out ones, boxes, points of a line (2: all).
DRAWINGS = {"add": [(0, 0, 1, 0), (0, 1, 0, 0)], "cut": [(1, 0, 0, 2)], "join": [(2, 0, 0, 0)]}
DRAWINGS["resize"] = [(1, 0, 1, 0)]
Coordinate = Annotated[float, Field(ge=0, le=MAX_SIDE)]  # in pixels of a picture
CHANGED = "changed in another window or file: this is what is there now; decide again"
STATIC = Path(__file__).parent / "static"
HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Asked:
    """What the page asks for: see `Decision`; ``lines`` is how many decisions of the item it has seen."""

    action: Action
    image: str = ""
    other: str = ""
    to: str = ""
    text: Annotated[str, Field(max_length=LONGEST_TEXT)] = ""
    boxes: list[tuple[Coordinate, Coordinate, Coordinate, Coordinate]] = field(default_factory=list)
    points: list[tuple[Coordinate, Coordinate]] = field(default_factory=list)
    lines: int | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


_ASKED = TypeAdapter(Asked)


class ReviewServer:
    """The answers to a reader's requests, one after another."""

    def __init__(self, reviewed: Reviewed, log: DecisionLog, reader: str) -> None:
        self.reviewed = reviewed
        self._log = log
        self._reader = reader
        self._shown: dict[str, dict[str, Any]] = {}  # what is shown of the items that were asked for
        self._states = log.states

    async def page(self, _: Request) -> Response:
        """Return the page."""
        return FileResponse(STATIC / f"{self.reviewed.noun}s.html")

    async def queue(self, _: Request) -> Response:
        """Return all items, the most doubtful first."""
        self._refresh()
        lines = self.reviewed.queue()
        for line in lines:
            line["state"] = self._decisions(line["stem"]).state
        session = {"reader": self._reader, "notes": list(self.reviewed.notes)}
        session["result"] = self.reviewed.result(self._log)
        return JSONResponse({**session, "items": lines, "groups": self._groups()})

    async def item(self, request: Request) -> Response:
        """Return the state of an item."""
        self._refresh()
        return JSONResponse(self._show(self._stem(request)))

    async def picture(self, request: Request) -> Response:
        """Return the picture of an item."""
        stem = self._stem(request)
        picture = self.reviewed.picture(stem, self._decisions(stem))
        _require(picture is not None, 404, "the picture cannot be read")
        return Response(picture, media_type=self.reviewed.media_type)

    async def metaphase(self, request: Request) -> Response:
        """Return the picture of the metaphase of an item, and nothing else that lies beside it."""
        path = self.reviewed.metaphase(self._stem(request))
        _require(path.is_file(), 404, "no such picture")
        return FileResponse(path, media_type="image/png")

    async def decide(self, request: Request) -> Response:
        """Keep a decision, and return the state of its item."""
        stem = self._stem(request)
        try:
            asked = _ASKED.validate_json(await request.body())
        except ValidationError as error:
            raise HTTPException(400, "no decision") from error
        self._refresh()
        _require(asked.lines in (None, self._decisions(stem).lines), 409, CHANGED)
        decision = Decision(
            action=asked.action,
            cell=stem,
            reader=self._reader,
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            seconds=round(asked.seconds, 3),
            model=self.reviewed.identity(stem),
            **changes_of(asked, self._show(stem), self.reviewed),
        )
        try:
            self._log.append(self.reviewed.complete(decision, self._log.states))
        except OSError as error:
            raise HTTPException(507, f"not kept: {error.strerror}") from error
        before = self._shown.pop(stem)["state"]
        if before or self._show(stem)["state"] or asked.action in ("sign", "undo"):
            self._publish()
        return JSONResponse({**self._show(stem), "groups": self._groups()})

    def _publish(self) -> None:
        try:
            self.reviewed.publish(self._log)
        except OSError as error:
            raise HTTPException(507, f"kept, but the result is not written: {error.strerror or error}") from error

    def _refresh(self) -> None:
        """Forget what was shown where another program has changed the decisions."""
        try:
            self._log.refresh()
        except OSError as error:
            raise HTTPException(500, str(error.strerror)) from error
        if self._states is not self._log.states:
            self._states = self._log.states
            self._shown.clear()

    def _groups(self) -> dict[str, dict[str, str]]:
        return self.reviewed.groups(self._log.states, self._reader)

    def _show(self, stem: str) -> dict[str, Any]:
        if stem not in self._shown:
            decisions = self._decisions(stem)
            shown = self.reviewed.shown(stem, decisions)
            shown |= {"state": decisions.state, "note": decisions.note, "lines": decisions.lines}
            rejected = decisions.rejection and decisions.rejection.text
            self._shown[stem] = shown | {"rejected": rejected, "undoable": bool(decisions.actions)}
        return self._shown[stem]

    def _decisions(self, stem: str) -> CellDecisions:
        return self._log.states.get((self._reader, stem), CellDecisions())

    def _stem(self, request: Request) -> str:
        stem = str(request.path_params["stem"])
        _require(stem in self.reviewed.stems, 404, "not found")
        return stem


def changes_of(asked: Asked, shown: dict[str, Any], reviewed: Reviewed) -> dict[str, Any]:
    """Return the fields of a decision that say what it changes, in view of what the page shows.

    Raises:
        HTTPException: 400 for an unknown action, file or class; 409 where there is nothing to undo or to approve.
    """
    classes = {one["name"]: one["class"] for one in shown["files"]}
    _require(asked.action in reviewed.actions, 400, "unknown action")
    if asked.action == "undo":
        _require(shown["undoable"], 409, "nothing to undo")
    if asked.action in ("undo", "sign"):
        return {}
    if asked.action == "approve":
        _require(None not in classes.values(), 409, shown["result"])
        return {"to": shown["result"], "classes": classes}
    if asked.action in ("note", "reject"):
        _require(asked.action == "note" or asked.text.strip(), 400, "type the reason first")
        return {"text": asked.text.strip()}
    if asked.action in DRAWINGS:
        return _drawing(asked, shown)
    _require(asked.image in classes, 400, "unknown image")
    changes: dict[str, Any] = {"image": asked.image}
    if asked.action == "move":
        _require(asked.to in reviewed.classes, 400, "unknown class")
        changes |= {"from_class": classes[asked.image], "to": asked.to}
    if asked.action == "swap":
        _require(asked.other in classes, 400, "unknown other")
        before, to = classes[asked.image], classes[asked.other]
        _require(None not in (before, to), 409, "a chromosome without a class cannot be swapped")
        changes |= {"other": asked.other, "from_class": before, "to": to}
    return changes


def _drawing(asked: Asked, shown: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an action on the picture of a metaphase."""
    images = {asked.image, asked.other} - {""}
    known = images <= {one["name"] for one in shown["boxes"]}
    used = images & {one["name"] for one in shown["files"]}
    counts = (len(used), len(images - used), len(asked.boxes), min(len(asked.points), 2))
    _require(shown["boxes"] and known and counts in DRAWINGS[asked.action], 400, "unknown drawing")
    return {name: getattr(asked, name) or None for name in ("image", "other", "boxes", "points")}


def _require(condition: object, status: int, detail: str) -> None:
    if not condition:
        raise HTTPException(status, detail)


async def _own_origin(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse requests of other pages; set the headers of every answer."""
    origin = request.headers.get("origin")
    if origin == f"http://{request.headers.get('host')}" or (origin is None and request.method != "POST"):
        response = await answer(request)
    else:
        response = PlainTextResponse("another origin", 403)
    response.headers.update(HEADERS)
    return response


def review_app(servers: Mapping[str, ReviewServer]) -> Starlette:
    """Return the application: all paths of a reader's server are below ``/<token>/``."""
    guards = [
        Middleware(BaseHTTPMiddleware, dispatch=_own_origin),
        # A name of another machine that was made to lead to this one (DNS rebinding) is refused.
        Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
    ]
    mounts = [Mount(f"/{token}", routes=_routes(server)) for token, server in servers.items()]
    handlers = {UserError: lambda _, error: PlainTextResponse(str(error), 409)}
    return Starlette(routes=mounts, middleware=guards, exception_handlers=handlers)


def _routes(server: ReviewServer) -> list[BaseRoute]:
    return [
        Route("/", server.page),
        Route("/queue", server.queue),
        Route("/items/{stem}", server.item),
        Route("/items/{stem}/decisions", server.decide, methods=["POST"]),
        Route("/pictures/{stem}", server.picture),
        Route("/metaphases/{stem}.png", server.metaphase),
        Mount("/", StaticFiles(directory=STATIC)),
    ]
