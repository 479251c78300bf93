"""The WebSocket that tells of jobs as they change."""

import anyio
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from komadori.api.events import EventHub, Subscriber
from komadori.api.guard import SUBPROTOCOL

router = APIRouter()


@router.websocket("/events")
async def tell_events(websocket: WebSocket) -> None:
    """Send a message for every job that changes, until the client leaves; what it sends is ignored."""
    hub: EventHub = websocket.app.state.events
    offered = websocket.scope.get("subprotocols", ())
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    async with hub.subscribe() as subscriber, anyio.create_task_group() as tasks:
        tasks.start_soon(_send, websocket, subscriber)
        await _wait_until_left(websocket)
        tasks.cancel_scope.cancel()


async def _send(websocket: WebSocket, subscriber: Subscriber) -> None:
    try:
        while True:
            for event in await subscriber.changes():
                await websocket.send_text(event.model_dump_json())
    except (WebSocketDisconnect, RuntimeError):  # it left while we were sending
        return


async def _wait_until_left(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
