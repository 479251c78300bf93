import type { Position } from "@/masks/draw";
import { contains } from "@/masks/spans";
import type { Box } from "@/masks/types";
import type { Sides } from "./gestures";
import type { Shape } from "./shapes";
import type { EditorObject } from "./types";

/** An object that can be pointed at. */
export interface Target {
  readonly object: EditorObject;
  /** null: a box only. */
  readonly shape: Shape | null;
}

/** The ids of the objects at a position of the frame, the smallest first, so that none is out of reach behind another. */
export function hitsAt(targets: readonly Target[], at: Position): string[] {
  return targets
    .filter(({ object, shape }) => isInBox(object.bbox, at) && (shape === null || contains(shape.spans, Math.floor(at.x), Math.floor(at.y))))
    .map((target) => [sizeOf(target), target.object.id] as const)
    .sort((a, b) => a[0] - b[0])
    .map(([, id]) => id);
}

/** The object to take after `current` at the same place: the one below it, and after the last the first again. */
export function nextHit(hits: readonly string[], current: string | undefined): string | null {
  return hits[(hits.indexOf(current ?? "") + 1) % hits.length] ?? null;
}

/** Which sides of a box a position within `reach` pixels of the frame takes hold of; null: none. */
export function sidesAt([left, top, right, bottom]: Box, at: Position, reach: number): Sides | null {
  const isNear = at.x > left - reach && at.x < right + reach && at.y > top - reach && at.y < bottom + reach;
  if (!isNear) return null;
  const near = (a: number, b: number) => Math.abs(a - b) <= reach;
  const x = near(at.x, right) ? 2 : near(at.x, left) ? 0 : null;
  const y = near(at.y, bottom) ? 3 : near(at.y, top) ? 1 : null;
  return x === null && y === null ? null : { x, y };
}

const isInBox = ([left, top, right, bottom]: Box, { x, y }: Position) => x >= left && x < right && y >= top && y < bottom;

export function sizeOf({ object: { bbox }, shape }: Target): number {
  return shape?.area ?? (bbox[2] - bbox[0]) * (bbox[3] - bbox[1]);
}
