"""Takes the bytes of uploads from the network to the disk, in bounded memory and off the event loop.

A client whose connection has died comes back before the server knows of that death. So the newest request
for an upload goes first: it ends the one before, whose bytes are kept, and waits until these are on the disk.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request

from komadori.core.errors import ConflictError
from komadori.services import uploads
from komadori.services.context import Context
from komadori.services.incoming import Appending, CheckedAppending, Checksum, IncomingFile, RunningHash
from komadori.services.uploads import Progress

_BLOCK_BYTES = 2**20
_THREADS = 8
_HASHES_KEPT = 64

T = TypeVar("T")
_Sink = Appending | CheckedAppending


@dataclass(slots=True)
class _Turn:
    """A request that is at work on an upload."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)


class Receiver:
    """Adds pieces to uploads; one for each application, made on its event loop."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._turns: dict[str, _Turn] = {}
        self._hashes: OrderedDict[str, RunningHash] = OrderedDict()
        self._limiter = anyio.CapacityLimiter(_THREADS)

    async def receive(
        self, upload_id: str, offset: int, n_bytes: int | None, checksum: Checksum | None, request: Request
    ) -> Progress:
        """Add the body of a request to an upload: how far that is then.

        Whatever ends the body early, what has come is kept, unless it has a checksum.

        Args:
            upload_id: The upload.
            offset: Where the body begins.
            n_bytes: How long it is, when that is known.
            checksum: What the whole body must be.
            request: Brings the body.

        Raises:
            NotFoundError: There is no such upload.
            ConflictError: The offset is another, or a newer request has taken over.
            InputError: Too many bytes, or other bytes than the checksums say.
            StorageError: The disk is full or refuses.
        """
        async with self.turn(upload_id), self._exclusive(upload_id) as file:
            before = await self.in_thread(lambda: uploads.get(self._ctx, upload_id))
            uploads.check_piece(before, offset, n_bytes)
            if not before.is_whole:
                running = self._hash_of(upload_id, before.offset)
                await self._append(before, running, checksum, file, request)
            return await self._finish(upload_id, file)

    @asynccontextmanager
    async def turn(self, upload_id: str) -> AsyncIterator[None]:
        """Be the one request for an upload; the one before is ended, as this one is by the next.

        Raises:
            ConflictError: This one was ended.
        """
        while (other := self._turns.get(upload_id)) is not None:
            other.scope.cancel()
            await other.ended.wait()
        mine = self._turns[upload_id] = _Turn()
        try:
            with mine.scope:
                yield
        finally:
            del self._turns[upload_id]
            mine.ended.set()
        if mine.scope.cancelled_caught:
            raise ConflictError(
                "A newer request has taken over this upload.",
                hint="Ask with HEAD for the Upload-Offset, and go on from there.",
                code=uploads.BUSY,
            )

    def is_receiving(self, upload_id: str) -> bool:
        """Whether a request is at work on an upload."""
        return upload_id in self._turns

    async def _append(
        self,
        before: Progress,
        running: RunningHash | None,
        checksum: Checksum | None,
        file: IncomingFile,
        request: Request,
    ) -> None:
        sink = await self.in_thread(lambda: _open(file, running, checksum))
        block = bytearray()
        rest = before.upload.size_bytes - before.offset

        async def write() -> None:
            data = bytes(block)
            block.clear()
            await self.in_thread(lambda: sink.write(data))

        try:
            async for piece in request.stream():
                rest -= len(piece)
                if rest < 0:
                    raise uploads.too_long(before.upload)
                block += piece
                if len(block) >= _BLOCK_BYTES:
                    await write()
            await write()
            await self.in_thread(sink.finish)
        except ClientDisconnect:
            pass
        finally:
            with anyio.CancelScope(shield=True):
                if isinstance(sink, Appending) and block:
                    await write()
                await self.in_thread(sink.close)

    async def _finish(self, upload_id: str, file: IncomingFile) -> Progress:
        offset = await self.in_thread(file.size_bytes)
        running = self._hash_of(upload_id, offset)
        sha256 = running.digest.hexdigest() if running is not None else None
        found = await self.in_thread(lambda: uploads.finish(self._ctx, upload_id, file, sha256))
        if found.is_whole:
            self._hashes.pop(upload_id, None)
        else:
            await self.in_thread(lambda: uploads.keep_alive(self._ctx, upload_id))
        return await self.in_thread(lambda: uploads.get(self._ctx, upload_id))

    def _hash_of(self, upload_id: str, n_bytes: int) -> RunningHash | None:
        """The hash of what has come, unless this process has not seen all of it come."""
        if n_bytes == 0:
            self._hashes[upload_id] = RunningHash.of_nothing()
            while len(self._hashes) > _HASHES_KEPT:
                self._hashes.popitem(last=False)
        running = self._hashes.get(upload_id)
        return running if running is not None and running.n_bytes == n_bytes else None

    @asynccontextmanager
    async def _exclusive(self, upload_id: str) -> AsyncIterator[IncomingFile]:
        lock = uploads.exclusive(self._ctx, upload_id)
        file = await self.in_thread(lock.__enter__)
        try:
            yield file
        finally:
            with anyio.CancelScope(shield=True):
                await self.in_thread(lambda: lock.__exit__(None, None, None))

    async def in_thread(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, which may wait for the disk."""
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


def _open(file: IncomingFile, running: RunningHash | None, checksum: Checksum | None) -> _Sink:
    return Appending(file, running) if checksum is None else CheckedAppending(file, running, checksum)
