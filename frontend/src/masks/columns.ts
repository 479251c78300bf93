import type { Spans } from "./spans";

/** Spans cut at the ends of columns: what lies in each column, from top to bottom. */
export interface Columns {
  /** The first column with something in it. */
  readonly first: number;
  /** Where the pieces of column `first + i` begin in `bounds`, and (at i + 1) where they end. */
  readonly offsets: Int32Array;
  /** First row, row after the last, first row and so on. */
  readonly bounds: Int32Array;
}

export function columnsOf({ height, bounds }: Spans): Columns {
  if (bounds.length === 0) return { first: 0, offsets: new Int32Array(1), bounds: new Int32Array(0) };
  const first = Math.floor((bounds[0] ?? 0) / height);
  const last = Math.floor(((bounds[bounds.length - 1] ?? 0) - 1) / height);
  const offsets = new Int32Array(last - first + 2);
  // A span is cut once at the end of each column that it goes over.
  const cut = new Int32Array(bounds.length + 2 * (last - first));
  let n = 0;
  let column = first;
  for (let i = 0; i < bounds.length; i += 2) {
    let start = bounds[i] ?? 0;
    const end = bounds[i + 1] ?? 0;
    while (start < end) {
      const own = Math.floor(start / height);
      while (column < own) offsets[(column += 1) - first] = n;
      cut[n] = start - own * height;
      cut[n + 1] = Math.min(end - own * height, height);
      n += 2;
      start = (own + 1) * height;
    }
  }
  offsets[last - first + 1] = n;
  return { first, offsets, bounds: cut.subarray(0, n) };
}
