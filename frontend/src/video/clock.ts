/**
 * Which frame a video shows, by the media times of its frames.
 *
 * `video.currentTime` is of no use for that: it names the right frame in a quarter of all cases. What
 * requestVideoFrameCallback says is exact. A seek goes to the middle of a frame, because one to its very
 * start may end at the frame before.
 */

/** Media times come back rounded to microseconds. */
const SLACK_S = 2e-5;

/** The frame that is shown at a media time: the last one that has begun. `times` ascend. */
export function frameAt(times: ArrayLike<number>, mediaTime: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= mediaTime + SLACK_S) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** Where to seek to, so that a frame is shown. */
export function seekTime(times: ArrayLike<number>, index: number): number {
  const last = times.length - 1;
  if (last < 1) return times[0] ?? 0;
  const at = Math.max(0, Math.min(last, index));
  const start = times[at] ?? 0;
  const length = at < last ? (times[at + 1] ?? start) - start : start - (times[at - 1] ?? start);
  return start + length / 2;
}
