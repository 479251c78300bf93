import { columnsOf } from "./columns";
import type { Spans } from "./spans";

/** The outline of an object along the edges of its pixels: one ring for each part, and one for each hole. */
export interface Outline {
  /** The corners x, y, x, y and so on, ring after ring; vertical and horizontal edges alternate. */
  readonly corners: Int32Array;
  /** Where each ring ends in `corners`. */
  readonly ends: Int32Array;
}

/**
 * The outline of an object; filled by the even-odd rule it is the object again.
 *
 * A sweep over the columns. At each left edge of a column, rows where the object begins or ends in just one of the two
 * columns are the ends of vertical edges, in pairs. A horizontal edge goes on while the object begins or ends at
 * the same row in the next column; where two pixels meet at a corner only, rings cross there.
 */
export function outlineOf(spans: Spans): Outline {
  const { first, offsets, bounds } = columnsOf(spans);
  const n = bounds.length;
  // Every vertical edge has the corners 2k and 2k + 1. Each bound of a column ends at most twice: left and right.
  const xs = new Int32Array(2 * n);
  const ys = new Int32Array(2 * n);
  const across = new Int32Array(2 * n);
  const opened = new Int32Array(n);
  let nCorners = 0;
  const corner = (x: number, y: number) => {
    xs[nCorners] = x;
    ys[nCorners] = y;
    return nCorners++;
  };
  const close = (x: number, bound: number) => {
    const here = corner(x, bounds[bound] ?? 0);
    const there = opened[bound] ?? 0;
    across[here] = there;
    across[there] = here;
  };
  for (let column = 0; column < offsets.length; column += 1) {
    const x = first + column;
    let left = column === 0 ? 0 : (offsets[column - 1] ?? 0);
    let right = offsets[column] ?? 0;
    const leftEnd = right;
    const rightEnd = offsets[column + 1] ?? right;
    while (left < leftEnd || right < rightEnd) {
      const above = left < leftEnd ? (bounds[left] ?? 0) : Infinity;
      const below = right < rightEnd ? (bounds[right] ?? 0) : Infinity;
      if (above === below) {
        opened[right] = opened[left] ?? 0;
        left += 1;
        right += 1;
      } else if (above <= below) {
        close(x, left);
        left += 1;
      } else {
        opened[right] = corner(x, below);
        right += 1;
      }
    }
  }
  return link(xs, ys, across, nCorners);
}

/** Walks from corner to corner until each was met: over a vertical edge, then over a horizontal one. */
function link(xs: Int32Array, ys: Int32Array, across: Int32Array, nCorners: number): Outline {
  const corners = new Int32Array(2 * nCorners);
  const isMet = new Uint8Array(nCorners);
  const ends: number[] = [];
  let n = 0;
  for (let begin = 0; begin < nCorners; begin += 2) {
    if (isMet[begin] === 1) continue;
    let at = begin;
    while (isMet[at] !== 1) {
      for (const each of [at, at ^ 1]) {
        isMet[each] = 1;
        corners[n++] = xs[each] ?? 0;
        corners[n++] = ys[each] ?? 0;
      }
      at = across[at ^ 1] ?? 0;
    }
    ends.push(n);
  }
  return { corners, ends: Int32Array.from(ends) };
}
