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
  /** The key under which this tab keeps many frames. */
  readonly setKey: string | null;
}

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

export interface Link {
  readonly project: string;
  readonly videoId?: string | null;
  readonly only?: "undecided";
  readonly frameId?: string;
}

/** The address of the frames of a project: all, a video's, or the undecided ones. */
export function walkLink({ project, videoId = null, only, frameId }: Link): string {
  const search = new URLSearchParams();
  if (project !== DEFAULT_PROJECT) search.set("project", project);
  if (videoId !== null) search.set("video", videoId);
  if (only !== undefined) search.set("only", only);
  if (frameId !== undefined) search.set("frame", frameId);
  const query = search.toString();
  return query === "" ? "/annotate" : `/annotate?${query}`;
}
