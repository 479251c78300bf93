/** The stored frames of a project, as columns. */
import { queryOptions } from "@tanstack/react-query";
import { api, body, type Schemas } from "./client";
import { hasProject } from "./projects";

/** Frames as columns of equal length, by video and then by place in the video. */
export type FrameColumns = Readonly<Omit<Schemas["FrameTable"], "total" | "next_cursor">>;

export interface FrameFilter {
  readonly project: string;
  readonly videoId: string | null;
  /** Frames that have an annotation of this class, or in this state. */
  readonly className?: string | null;
  readonly status?: Schemas["AnnotationStatus"] | null;
  readonly isUndecided?: boolean;
}

const AT_ONCE = 50_000;

export const NO_FRAMES: FrameColumns = {
  ids: [],
  video_ids: [],
  indices: [],
  pts_s: [],
  mean_colours: "",
  n_accepted: [],
  n_proposed: [],
};

/** How the keys of all columns begin, so that a page that changes counts can write them into each. */
export const COLUMNS = ["frames", { as: "columns" }] as const;

/** The frames that a filter leaves; none before the project has a video. */
export const framesQuery = (filter: FrameFilter) =>
  queryOptions({
    queryKey: [...COLUMNS, { className: null, status: null, isUndecided: false, ...filter }],
    queryFn: async ({ client, signal }) => ((await hasProject(client, filter.project)) ? framesOf(filter, signal) : NO_FRAMES),
  });

/** All frames that a filter leaves, asked for in as many pages as it takes. */
export async function framesOf(filter: FrameFilter, signal: AbortSignal): Promise<FrameColumns> {
  const { project, videoId, className = null, status = null, isUndecided = false } = filter;
  let frames = NO_FRAMES;
  let cursor: string | null = null;
  do {
    const query = {
      project,
      limit: AT_ONCE,
      ...(videoId !== null && { video_id: videoId }),
      ...(className !== null && { class_name: className }),
      ...(status !== null && { status }),
      ...(isUndecided && { only: "undecided" as const }),
      ...(cursor !== null && { cursor }),
    };
    const page: Schemas["FrameTable"] = await body(api.GET("/api/v1/frames", { params: { query }, signal }));
    frames = frames === NO_FRAMES ? page : joined(frames, page);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return frames;
}

function joined(a: FrameColumns, b: FrameColumns): FrameColumns {
  return {
    ids: [...a.ids, ...b.ids],
    video_ids: [...a.video_ids, ...b.video_ids],
    indices: [...a.indices, ...b.indices],
    pts_s: [...a.pts_s, ...b.pts_s],
    mean_colours: a.mean_colours + b.mean_colours,
    n_accepted: [...a.n_accepted, ...b.n_accepted],
    n_proposed: [...a.n_proposed, ...b.n_proposed],
  };
}
