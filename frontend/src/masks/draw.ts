/** Shapes that a person draws, as the pixels whose middle lies in them. */
import { join, type Spans } from "./spans";

export interface Position {
  readonly x: number;
  readonly y: number;
}

/** So that a middle exactly on the edge counts as inside in spite of rounding. */
const EPSILON = 1e-9;

/**
 * What a round brush covers on its way from one position to another: every pixel whose middle is at most half
 * the brush's `size` away from the way.
 *
 * It is convex, so each column holds one span at most.
 */
export function sweep(height: number, width: number, from: Position, to: Position, size: number): Spans {
  const radius = size / 2 + EPSILON;
  const firstColumn = Math.max(0, Math.ceil(Math.min(from.x, to.x) - radius - 0.5));
  const lastColumn = Math.min(width - 1, Math.floor(Math.max(from.x, to.x) + radius - 0.5));
  const bounds: number[] = [];
  for (let x = firstColumn; x <= lastColumn; x += 1) {
    const [top, bottom] = sweptRows(x + 0.5, from, to, radius);
    const start = Math.max(0, Math.ceil(top - 0.5));
    const end = Math.min(height, Math.floor(bottom - 0.5) + 1);
    if (end > start) bounds.push(x * height + start, x * height + end);
  }
  return join(height, width, bounds);
}

/** From where to where the way of a disc covers the vertical line at x: its two ends and the strip between them. */
function sweptRows(x: number, from: Position, to: Position, radius: number): readonly [number, number] {
  let top = Infinity;
  let bottom = -Infinity;
  for (const end of [from, to]) {
    const half = Math.sqrt(radius ** 2 - (x - end.x) ** 2);
    if (Number.isNaN(half)) continue;
    top = Math.min(top, end.y - half);
    bottom = Math.max(bottom, end.y + half);
  }
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  if (length === 0) return [top, bottom];
  const [ux, uy] = [(to.x - from.x) / length, (to.y - from.y) / length];
  // In the strip: at most `radius` beside the way, and neither before its start nor after its end.
  const beside = range((x - from.x) * uy, -ux, -radius, radius);
  const along = range((x - from.x) * ux, uy, 0, length);
  const [low, high] = [from.y + Math.max(beside[0], along[0]), from.y + Math.min(beside[1], along[1])];
  return low > high ? [top, bottom] : [Math.min(top, low), Math.max(bottom, high)];
}

/** For which v `low <= base + slope * v <= high`. */
function range(base: number, slope: number, low: number, high: number): readonly [number, number] {
  if (Math.abs(slope) < EPSILON) return base >= low && base <= high ? [-Infinity, Infinity] : [Infinity, -Infinity];
  const [a, b] = [(low - base) / slope, (high - base) / slope];
  return [Math.min(a, b), Math.max(a, b)];
}

/** The inside of a polygon by the even-odd rule. */
export function polygon(height: number, width: number, corners: readonly Position[]): Spans {
  const xs = corners.map((corner) => corner.x);
  const firstColumn = Math.max(0, Math.ceil(Math.min(...xs) - 0.5));
  const lastColumn = Math.min(width - 1, Math.floor(Math.max(...xs) - 0.5));
  const bounds: number[] = [];
  for (let x = firstColumn; x <= lastColumn; x += 1) {
    const rows = crossings(x + 0.5, corners).map((y) => Math.min(height, Math.max(0, Math.ceil(y - 0.5))));
    bounds.push(...rows.map((row) => x * height + row));
  }
  return join(height, width, bounds);
}

/** Where the edges of a polygon meet the vertical line at x, from top to bottom: an even number. */
function crossings(x: number, corners: readonly Position[]): number[] {
  const rows: number[] = [];
  let before = corners.at(-1);
  for (const corner of corners) {
    if (before !== undefined && before.x <= x !== corner.x <= x) {
      rows.push(before.y + ((x - before.x) / (corner.x - before.x)) * (corner.y - before.y));
    }
    before = corner;
  }
  return rows.sort((a, b) => a - b);
}
