/** How the scores along a video become a curve, and places on it become times. */

export interface Point {
  readonly ptsS: number;
  /** 0 to 1. */
  readonly height: number;
}

/** The highest point of each column of pixels: narrow peaks stay visible however long the video is. */
export function peaks(points: readonly Point[], durationS: number, width: number): Float32Array {
  const columns = new Float32Array(Math.max(1, Math.floor(width)));
  for (const { ptsS, height } of points) {
    const column = Math.min(columns.length - 1, Math.max(0, Math.floor((ptsS / Math.max(durationS, 1e-9)) * columns.length)));
    columns[column] = Math.max(columns[column] ?? 0, height);
  }
  return columns;
}

/** The index of the time nearest to `ptsS`; times ascend. -1 when there are none. */
export function nearest(times: ArrayLike<number>, ptsS: number): number {
  let low = 0;
  let high = times.length - 1;
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < ptsS) low = middle + 1;
    else high = middle;
  }
  const before = low - 1;
  if (before >= 0 && ptsS - (times[before] ?? 0) <= (times[low] ?? 0) - ptsS) return before;
  return low;
}

/** A drag of fewer pixels is a click. */
export const CLICK_PX = 4;
