/** Which part of the frame is shown, and how large. */
import type { Position } from "@/masks/draw";
import type { Box } from "@/masks/types";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A position p of the frame is shown at p * scale + (x, y), in CSS pixels. */
export interface View {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

const MOST = 40;
/** So much of the frame stays in sight, in CSS pixels. */
const IN_SIGHT = 48;
const MARGIN = 12;

/** The whole frame in the middle; small frames are enlarged at most fourfold. */
export function fitted(frame: Size, shown: Size): View {
  const room = { width: Math.max(1, shown.width - 2 * MARGIN), height: Math.max(1, shown.height - 2 * MARGIN) };
  const scale = Math.min(4, room.width / frame.width, room.height / frame.height);
  return { scale, x: (shown.width - frame.width * scale) / 2, y: (shown.height - frame.height * scale) / 2 };
}

/** Larger by `factor`, with what is at a position of the screen staying there. */
export function zoomed(view: View, factor: number, at: Position, frame: Size, shown: Size): View {
  const least = Math.min(1, fitted(frame, shown).scale / 2);
  const scale = Math.min(MOST, Math.max(least, view.scale * factor));
  const ratio = scale / view.scale;
  return held({ scale, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio }, frame, shown);
}

export function panned(view: View, dx: number, dy: number, frame: Size, shown: Size): View {
  return held({ ...view, x: view.x + dx, y: view.y + dy }, frame, shown);
}

/** With a box of the frame in the middle, if nothing of it is in sight; else as it is. */
export function revealing(view: View, [left, top, right, bottom]: Box, frame: Size, shown: Size): View {
  const from = { x: left * view.scale + view.x, y: top * view.scale + view.y };
  const to = { x: right * view.scale + view.x, y: bottom * view.scale + view.y };
  if (to.x > 0 && to.y > 0 && from.x < shown.width && from.y < shown.height) return view;
  return panned(view, (shown.width - from.x - to.x) / 2, (shown.height - from.y - to.y) / 2, frame, shown);
}

/** The frame does not leave the screen. */
function held(view: View, frame: Size, shown: Size): View {
  const between = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));
  return {
    scale: view.scale,
    x: between(view.x, IN_SIGHT - frame.width * view.scale, shown.width - IN_SIGHT),
    y: between(view.y, IN_SIGHT - frame.height * view.scale, shown.height - IN_SIGHT),
  };
}

/** The position of the frame that is shown at a position of the screen. */
export const toFrame = (view: View, at: Position): Position => ({ x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale });
