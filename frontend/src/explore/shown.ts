/** Which frames are shown, and in which order. */
import type { FrameTable, Found, Hit } from "./api";
import { type ExploreState, isSearch } from "./urlState";

export interface ShownHit {
  readonly score: number;
  /** null when nothing says what scores are worth here. */
  readonly band: Hit["band"] | null;
}

export interface Shown {
  readonly ids: readonly string[];
  /** How well each frame answers; empty when nothing is searched for. */
  readonly hits: ReadonlyMap<string, ShownHit>;
  /** How many of the hits say "strong" or "maybe". */
  readonly nStrong: number;
  readonly nMaybe: number;
}

type Wanted = Pick<ExploreState, "q" | "like" | "img" | "sort" | "all" | "from" | "to" | "video">;

/**
 * A search shows what matches, best first. When nothing does, or scores say nothing in a project of so few
 * frames, it shows all.
 */
export function shownFrames(table: FrameTable, found: Found | undefined, wanted: Wanted): Shown {
  if (!isSearch(wanted) || found === undefined) {
    return { ids: table.ids.filter((_, row) => isWithin(table, row, wanted)), hits: new Map(), nStrong: 0, nMaybe: 0 };
  }
  const hits = found.hits.filter(({ frame_id }) => {
    const row = table.rowOf.get(frame_id);
    return row !== undefined && isWithin(table, row, wanted);
  });
  const nStrong = hits.filter(({ band }) => band === "strong").length;
  const nMaybe = hits.filter(({ band }) => band === "maybe").length;
  const isAll = wanted.all || found.scale === null || nStrong + nMaybe === 0;
  const kept = isAll ? hits : hits.filter(({ band }) => band !== "none");
  const ids = kept.map(({ frame_id }) => frame_id);
  if (wanted.sort === "time") ids.sort((a, b) => (table.rowOf.get(a) ?? 0) - (table.rowOf.get(b) ?? 0));
  return { ids, hits: new Map(hits.map(({ frame_id, score, band }) => [frame_id, { score, band: found.scale === null ? null : band }])), nStrong, nMaybe };
}

function isWithin(table: FrameTable, row: number, { from, to, video }: Wanted): boolean {
  if (video === null) return true;
  const time = table.ptsS[row] ?? 0;
  return table.videoIds[row] === video && time >= (from ?? -Infinity) && time <= (to ?? Infinity);
}
