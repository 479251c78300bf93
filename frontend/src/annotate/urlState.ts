/** What of the annotate page is in its address: which frames are walked through, and which of them is shown. */
import { DEFAULT_PROJECT } from "@/app/project";

export interface Walk {
  readonly project: string;
  readonly videoId: string | null;
  readonly className: string | null;
  readonly isUndecided: boolean;
  /** The words of a search; its hits are the frames, unless others are named. */
  readonly searchText: string | null;
  /** Frames named one by one, in their order. */
  readonly frameIds: readonly string[] | null;
  /** The key under which many frames are kept; see {@link keepFrames}. */
  readonly setKey: string | null;
}

const KEPT = "komadori.frames.";
const KEPT_SETS = 20;
const IN_ADDRESS = 50;

export function walkOf(search: URLSearchParams): Walk {
  const named = search.get("frames");
  return {
    project: search.get("project") ?? DEFAULT_PROJECT,
    videoId: search.get("video"),
    className: search.get("class"),
    isUndecided: search.get("only") === "undecided",
    searchText: search.get("q"),
    frameIds: named === null ? null : named.split(",").filter((id) => /^[1-9]\d{0,17}$/.test(id)),
    setKey: search.get("set"),
  };
}

export const frameOf = (search: URLSearchParams): string | null => search.get("frame");

/** The address with another frame. */
export function withFrame(search: URLSearchParams, frameId: string): URLSearchParams {
  const changed = new URLSearchParams(search);
  changed.set("frame", frameId);
  return changed;
}

/** Whether all frames of the project are walked through. */
export const isWhole = (walk: Walk): boolean =>
  walk.videoId === null && walk.className === null && !walk.isUndecided && walk.searchText === null && walk.frameIds === null && walk.setKey === null;

/** The address of the whole project, or of its undecided frames. */
export function projectWalk(project: string, only?: "undecided", current?: string): string {
  const search = new URLSearchParams();
  if (project !== DEFAULT_PROJECT) search.set("project", project);
  if (only !== undefined) search.set("only", only);
  if (current !== undefined) search.set("frame", current);
  const query = search.toString();
  return query === "" ? "/annotate" : `/annotate?${query}`;
}

/**
 * The address that walks through some frames in their order: in itself when they are few, else by a key under
 * which this tab keeps them.
 */
export function framesWalk(project: string, frameIds: readonly string[], current?: string): string {
  const search = new URLSearchParams();
  if (project !== DEFAULT_PROJECT) search.set("project", project);
  if (frameIds.length <= IN_ADDRESS) search.set("frames", frameIds.join(","));
  else search.set("set", keepFrames(frameIds));
  if (current !== undefined) search.set("frame", current);
  return `/annotate?${search.toString().replaceAll("%2C", ",")}`;
}

/** Keep a set of frames in this tab, the newest few of them: its key. */
export function keepFrames(frameIds: readonly string[], storage: Storage = sessionStorage): string {
  const kept = Object.keys(storage).filter((key) => key.startsWith(KEPT)).map((key) => Number(key.slice(KEPT.length))).sort((a, b) => a - b);
  const key = String((kept.at(-1) ?? 0) + 1);
  for (const old of kept.slice(0, Math.max(0, kept.length + 1 - KEPT_SETS))) storage.removeItem(`${KEPT}${old}`);
  storage.setItem(`${KEPT}${key}`, JSON.stringify(frameIds));
  return key;
}

/** A kept set, or null when this tab has none under that key. */
export function keptFrames(key: string, storage: Storage = sessionStorage): readonly string[] | null {
  const text = storage.getItem(`${KEPT}${key}`);
  return text === null ? null : (JSON.parse(text) as string[]);
}
