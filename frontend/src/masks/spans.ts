/**
 * Objects as spans of pixels, and what is computed on them. All costs grow with the outline of an object, not with
 * its area, and no picture-sized array is made.
 */
import type { Box } from "./types";

/** The pixels of an object in a picture, counted column by column: pixel (x, y) is at x * height + y. */
export interface Spans {
  readonly height: number;
  readonly width: number;
  /** Start, end (excluded), start, end and so on: sorted, none empty, no two touch. */
  readonly bounds: Int32Array;
}

export const emptySpans = (height: number, width: number): Spans => ({ height, width, bounds: new Int32Array(0) });

/** Spans of sorted, disjoint bounds in which some may be empty or touch. */
export function join(height: number, width: number, bounds: ArrayLike<number>): Spans {
  const joined = new Int32Array(bounds.length);
  let n = 0;
  for (let i = 0; i < bounds.length; i += 2) {
    const start = bounds[i] ?? 0;
    const end = bounds[i + 1] ?? 0;
    if (end <= start) continue;
    if (n > 0 && joined[n - 1] === start) {
      joined[n - 1] = end;
    } else {
      joined[n] = start;
      joined[n + 1] = end;
      n += 2;
    }
  }
  return { height, width, bounds: joined.slice(0, n) };
}

export const isEmpty = (spans: Spans) => spans.bounds.length === 0;

export function isEqual(a: Spans, b: Spans): boolean {
  return a.height === b.height && a.width === b.width && a.bounds.length === b.bounds.length && a.bounds.every((bound, i) => bound === b.bounds[i]);
}

/** The number of pixels. */
export function area({ bounds }: Spans): number {
  let sum = 0;
  for (let i = 0; i < bounds.length; i += 2) sum += (bounds[i + 1] ?? 0) - (bounds[i] ?? 0);
  return sum;
}

/** The tight box; all zeros for an empty object. */
export function boxOf({ height, bounds }: Spans): Box {
  if (bounds.length === 0) return [0, 0, 0, 0];
  let top = height;
  let bottom = 0;
  for (let i = 0; i < bounds.length; i += 2) {
    const start = bounds[i] ?? 0;
    const last = (bounds[i + 1] ?? 0) - 1;
    // A span over the end of a column touches both edges.
    const isOver = Math.floor(start / height) !== Math.floor(last / height);
    top = isOver ? 0 : Math.min(top, start % height);
    bottom = isOver ? height : Math.max(bottom, (last % height) + 1);
  }
  const last = (bounds[bounds.length - 1] ?? 0) - 1;
  return [Math.floor((bounds[0] ?? 0) / height), top, Math.floor(last / height) + 1, bottom];
}

/** Whether pixel (x, y), whole numbers, belongs to the object. */
export function contains({ height, width, bounds }: Spans, x: number, y: number): boolean {
  if (x < 0 || y < 0 || x >= width || y >= height) return false;
  const position = x * height + y;
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bounds[middle] ?? 0) <= position) low = middle + 1;
    else high = middle;
  }
  return low % 2 === 1; // so many bounds lie at or before the pixel
}

export const union = (a: Spans, b: Spans): Spans => combine(a, b, (inA, inB) => inA || inB);
export const difference = (a: Spans, b: Spans): Spans => combine(a, b, (inA, inB) => inA && !inB);
export const intersection = (a: Spans, b: Spans): Spans => combine(a, b, (inA, inB) => inA && inB);

function combine(a: Spans, b: Spans, isIn: (inA: boolean, inB: boolean) => boolean): Spans {
  if (a.height !== b.height || a.width !== b.width) {
    throw new Error(`Expected masks of one size, got ${a.height} x ${a.width} and ${b.height} x ${b.width}.`);
  }
  const bounds = new Int32Array(a.bounds.length + b.bounds.length);
  let i = 0;
  let j = 0;
  let n = 0;
  while (i < a.bounds.length || j < b.bounds.length) {
    const position = Math.min(a.bounds[i] ?? Infinity, b.bounds[j] ?? Infinity);
    if (a.bounds[i] === position) i += 1;
    if (b.bounds[j] === position) j += 1;
    if (isIn(i % 2 === 1, j % 2 === 1) !== (n % 2 === 1)) {
      bounds[n] = position;
      n += 1;
    }
  }
  return { height: a.height, width: a.width, bounds: bounds.slice(0, n) };
}
