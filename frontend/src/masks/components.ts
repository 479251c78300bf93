import { columnsOf } from "./columns";
import { join, type Spans } from "./spans";

/**
 * The parts of an object, the largest first; pixels that touch at an edge or a corner are in one part.
 *
 * The pieces of each column are compared with those of the column before, and what touches is put into one set
 * (union-find).
 */
export function componentsOf(spans: Spans): Spans[] {
  const { first, offsets, bounds } = columnsOf(spans);
  const parents = Int32Array.from({ length: bounds.length / 2 }, (_, i) => i);
  const root = (piece: number) => {
    let at = piece;
    while ((parents[at] ?? at) !== at) {
      parents[at] = parents[parents[at] ?? at] ?? at;
      at = parents[at] ?? at;
    }
    return at;
  };
  for (let column = 1; column < offsets.length - 1; column += 1) {
    forEachTouching(bounds, offsets.subarray(column - 1, column + 2), (left, right) => {
      parents[root(right)] = root(left);
    });
  }
  const parts = new Map<number, number[]>();
  const sizes = new Map<number, number>();
  for (let column = 0; column + 1 < offsets.length; column += 1) {
    const top = (first + column) * spans.height;
    for (let i = offsets[column] ?? 0; i < (offsets[column + 1] ?? 0); i += 2) {
      const own = root(i / 2);
      const [start, end] = [top + (bounds[i] ?? 0), top + (bounds[i + 1] ?? 0)];
      const part = parts.get(own) ?? [];
      part.push(start, end);
      parts.set(own, part);
      sizes.set(own, (sizes.get(own) ?? 0) + end - start);
    }
  }
  return [...parts]
    .sort(([a], [b]) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0))
    .map(([, part]) => join(spans.height, spans.width, part));
}

/** Calls with each piece of a column and each piece of the next one that touch; `offsets` are those of the two columns. */
function forEachTouching(bounds: Int32Array, offsets: Int32Array, call: (left: number, right: number) => void): void {
  const [leftStart = 0, leftEnd = 0, rightEnd = 0] = offsets;
  let left = leftStart;
  let right = leftEnd;
  while (left < leftEnd && right < rightEnd) {
    const [leftTop = 0, leftBottom = 0] = bounds.subarray(left, left + 2);
    const [rightTop = 0, rightBottom = 0] = bounds.subarray(right, right + 2);
    if (leftTop <= rightBottom && rightTop <= leftBottom) call(left / 2, right / 2);
    if (leftBottom < rightBottom) left += 2;
    else right += 2;
  }
}
