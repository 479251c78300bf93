/** Frames and searches, as the explore page asks for them. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, body, ROOT, type Schemas } from "@/api/client";
import { type FrameColumns, framesQuery } from "@/api/frames";
import { Problem } from "@/api/problem";
import { readPicture } from "./picture";
import type { ExploreState } from "./urlState";

export type Found = Schemas["Found"];
export type Hit = Schemas["Hit"];

/** The most hits that a search gives. */
const MAX_HITS = 10_000;

/** Frames by column; row i of each column belongs to the same frame. */
export interface FrameTable {
  readonly ids: readonly string[];
  readonly videoIds: readonly string[];
  /** Places among the visible frames of the video, in presentation order. */
  readonly indices: readonly number[];
  readonly ptsS: readonly number[];
  /** CSS colours. */
  readonly meanColours: readonly string[];
  readonly nAccepted: readonly number[];
  readonly nProposed: readonly number[];
  readonly rowOf: ReadonlyMap<string, number>;
}

type Filters = Pick<ExploreState, "video" | "label" | "status" | "undecided">;

/** All frames of a project that pass the filters, by video and time. */
export function useFrameTable(project: string, { video, label, status, undecided }: Filters) {
  return useQuery({
    ...framesQuery({ project, videoId: video, className: label, status, isUndecided: undecided }),
    select: frameTable,
    placeholderData: keepPreviousData,
  });
}

export function frameTable(columns: FrameColumns): FrameTable {
  return {
    ids: columns.ids,
    videoIds: columns.video_ids,
    indices: columns.indices,
    ptsS: columns.pts_s,
    meanColours: (columns.mean_colours.match(/.{6}/g) ?? []).map((digits) => `#${digits}`),
    nAccepted: columns.n_accepted,
    nProposed: columns.n_proposed,
    rowOf: new Map(columns.ids.map((id, row) => [id, row])),
  };
}

type Query = Pick<ExploreState, "q" | "like" | "img" | "video">;

/** The frames that answer the query, best first; nothing is asked while `isOff`. */
export function useSearch(project: string, { q, like, img, video }: Query, isOff: boolean) {
  const text = q.trim();
  return useQuery({
    queryKey: ["searches", project, { text, like, img, video }],
    enabled: !isOff && (text !== "" || like !== null || img !== null),
    queryFn: ({ signal }) => (img === null ? byWordsOrFrame(project, text, like, video, signal) : byPicture(project, img, video, signal)),
    placeholderData: keepPreviousData,
    retry: false,
  });
}

function byWordsOrFrame(project: string, text: string, like: string | null, video: string | null, signal: AbortSignal): Promise<Found> {
  const query = like === null ? { text } : { like_frame_id: like };
  return body(api.POST("/api/v1/searches", { body: { ...query, k: MAX_HITS, project, video_id: video }, signal }));
}

async function byPicture(project: string, key: string, video: string | null, signal: AbortSignal): Promise<Found> {
  const picture = await readPicture(key);
  if (picture === null) throw new Problem(404, "picture-is-gone", "", "");
  const form = new FormData();
  form.set("file", picture);
  form.set("k", String(MAX_HITS));
  form.set("project", project);
  if (video !== null) form.set("video_id", video);
  const response = await fetch(`${ROOT}/searches/image`, { method: "POST", body: form, signal });
  if (!response.ok) throw await Problem.of(response);
  return (await response.json()) as Found;
}
