"""The page's own files, read once."""

import hashlib
from pathlib import Path
from typing import Final

from gosonde_common.errors import NotFoundError
from starlette.requests import Request
from starlette.responses import Response

STATIC: Final = Path(__file__).parent / "static"
KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: A browser asks again after an hour at the latest whether a file is still the same.
FRESH: Final = "max-age=3600"


class Files:
    """The files of the folder `static`, by their names."""

    def __init__(self) -> None:
        self._files = {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in KINDS}
        self._tags = {name: f'"{hashlib.sha256(file).hexdigest()[:16]}"' for name, file in self._files.items()}

    async def serve(self, request: Request) -> Response:
        """The file of an address.

        Raises:
            NotFoundError: There is no such file.
        """
        name = request.path_params["name"]
        if name not in self._files:
            raise NotFoundError("there is no such file")
        headers = {"etag": self._tags[name], "cache-control": FRESH}
        if request.headers.get("if-none-match") == self._tags[name]:
            return Response(None, 304, headers)
        return Response(self._files[name], headers=headers, media_type=KINDS[Path(name).suffix])
