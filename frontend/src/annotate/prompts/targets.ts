/** Which frames a run looks at. */
import type { FrameSet } from "../queries";
import type { Walk } from "../urlState";

export type Target = "try" | "set" | "video" | "project";

export const TRIED = 5;
const NAMED_AT_ONCE = 10_000;

/** What a request for a run says about its frames. */
export interface Scope {
  readonly frame_ids?: string[];
  readonly video_id?: string;
}

/** The requests that cover a target; more than one only for more frames than one may name. */
export function scopesOf(target: Target, walk: Walk, set: FrameSet, frameId: string, videoId: string | null): Scope[] {
  if (target === "try") return [{ frame_ids: spread(set.ids, frameId, TRIED) }];
  if (target === "project") return [{}];
  if (target === "video") return videoId === null ? [] : [{ video_id: videoId }];
  if (set.ids === set.table.ids) return [walk.videoId === null ? {} : { video_id: walk.videoId }];
  const scopes: Scope[] = [];
  for (let start = 0; start < set.ids.length; start += NAMED_AT_ONCE) scopes.push({ frame_ids: set.ids.slice(start, start + NAMED_AT_ONCE) });
  return scopes;
}

/** Up to `n` frames evenly over a set, the current one first, so that it is the first that something is seen in. */
export function spread(ids: readonly string[], current: string, n: number): string[] {
  const others = ids.filter((id) => id !== current);
  const wanted = Math.min(n - 1, others.length);
  const chosen = Array.from({ length: wanted }, (_, i) => others[Math.floor(((i + 0.5) * others.length) / wanted)] ?? "");
  return [current, ...chosen];
}
