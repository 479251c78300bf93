/** What the annotate page asks of the API. */
import { type Annotation, api, body, type Frame, ROOT, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";
import { useSettings } from "@/app/settings";
import type { PromptPoint } from "./canvas/types";
import type { Box, CocoRle } from "@/masks/types";

export type Status = Schemas["AnnotationStatus"];

/** An annotation as the API gives it, with who changed it last and when. */
export interface Entry extends Omit<Annotation, "bbox_xyxy" | "segmentation"> {
  readonly bbox_xyxy: Box;
  readonly segmentation: CocoRle | null;
  /** Seconds since 1970. */
  readonly created_s: number;
  readonly changed_s: number | null;
  readonly changed_by: string | null;
}

/** What an annotation was before its next revision; `changed_s` and `changed_by` tell of the change that ended it. */
export type FormerState = Pick<
  Entry,
  "revision" | "class_name" | "status" | "source" | "bbox_xyxy" | "segmentation" | "confidence" | "changed_s" | "changed_by"
>;

export interface EditValues {
  readonly class_name?: string;
  readonly bbox_xyxy?: Box;
  readonly segmentation?: CocoRle;
  readonly status?: Status;
}

/** Frames as columns of equal length, by video and then by place in the video. */
export interface FrameTable {
  readonly ids: readonly string[];
  readonly video_ids: readonly string[];
  readonly indices: readonly number[];
  readonly pts_s: readonly number[];
  readonly n_accepted: readonly number[];
  readonly n_proposed: readonly number[];
}

export interface FrameFilter {
  readonly project: string;
  readonly video_id?: string | undefined;
  readonly class_name?: string | undefined;
  readonly only?: "undecided" | undefined;
}

/** The answer to points and boxes on one object; nothing of it is stored. */
export interface Refinement {
  readonly segmentation: CocoRle;
  readonly bbox_xyxy: Box;
  readonly confidence: number;
}

export interface Matching {
  readonly project: string;
  readonly status: Status;
  readonly class_name: string;
  readonly video_id?: string;
  readonly frame_id?: string;
  readonly min_confidence?: number;
}

interface Page<T> {
  readonly items: readonly T[];
  readonly total: number;
  readonly next_cursor: string | null;
}

const LONGEST_PAGE = 1_000;
const LONGEST_TABLE = 50_000;

async function send<T>(method: "GET" | "POST" | "PATCH", path: string, content?: unknown, signal?: AbortSignal): Promise<T> {
  const headers = new Headers({ Accept: "application/json" });
  const { actor } = useSettings.getState();
  if (actor !== "") headers.set("X-Komadori-Actor", encodeURIComponent(actor));
  if (content !== undefined) headers.set("Content-Type", "application/json");
  const options: RequestInit = { method, headers, ...(content !== undefined && { body: JSON.stringify(content) }), ...(signal && { signal }) };
  const response = await fetch(`${ROOT}${path}`, options).catch((error: unknown) => {
    if (signal?.aborted === true) throw error;
    throw Problem.offline();
  });
  if (!response.ok) throw await Problem.of(response);
  return (await response.json()) as T;
}

function query(values: Readonly<Record<string, string | number | undefined | null>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined && value !== null) search.set(name, String(value));
  return search.toString();
}

/** All frames that a filter leaves, asked for in as many pages as it takes. */
export async function frameTable(filter: FrameFilter, signal?: AbortSignal): Promise<FrameTable> {
  const pages: FrameTable[] = [];
  let cursor: string | null = null;
  do {
    const path = `/frames?${query({ ...filter, cursor, limit: LONGEST_TABLE })}`;
    const page: FrameTable & { next_cursor: string | null } = await send("GET", path, undefined, signal);
    pages.push(page);
    cursor = page.next_cursor;
  } while (cursor !== null);
  const [first] = pages;
  return pages.length === 1 && first !== undefined ? first : joined(pages);
}

function joined(pages: readonly FrameTable[]): FrameTable {
  return {
    ids: pages.flatMap((page) => page.ids),
    video_ids: pages.flatMap((page) => page.video_ids),
    indices: pages.flatMap((page) => page.indices),
    pts_s: pages.flatMap((page) => page.pts_s),
    n_accepted: pages.flatMap((page) => page.n_accepted),
    n_proposed: pages.flatMap((page) => page.n_proposed),
  };
}

/** The frames that a search in words finds, best first. */
export async function foundFrames(text: string, project: string, k: number, signal?: AbortSignal): Promise<string[]> {
  const found = await body(api.POST("/api/v1/searches", { body: { text, project, k }, ...(signal && { signal }) }));
  return found.hits.map((hit) => hit.frame_id);
}

export const frame = (id: string, signal?: AbortSignal): Promise<Frame> => send("GET", `/frames/${id}`, undefined, signal);

/** All annotations of a frame, by id. */
export async function annotationsOf(frameId: string, signal?: AbortSignal): Promise<Entry[]> {
  const items: Entry[] = [];
  let cursor: string | null = null;
  do {
    const path = `/annotations?${query({ frame_id: frameId, cursor, limit: LONGEST_PAGE })}`;
    const page: Page<Entry> = await send("GET", path, undefined, signal);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return items;
}

export const annotation = (id: string): Promise<Entry> => send("GET", `/annotations/${id}`);

export async function history(id: string, signal?: AbortSignal): Promise<readonly FormerState[]> {
  return (await send<{ items: FormerState[] }>("GET", `/annotations/${id}/history`, undefined, signal)).items;
}

export const edit = (id: string, values: EditValues, expectedRevision: number): Promise<Entry> =>
  send("PATCH", `/annotations/${id}`, { ...values, expected_revision: expectedRevision });

export const revert = (id: string, revision: number, expectedRevision: number): Promise<Entry> =>
  send("POST", `/annotations/${id}/revert`, { revision, expected_revision: expectedRevision });

export const draw = (frameId: string, className: string, shape: { bbox_xyxy: Box } | { segmentation: CocoRle }): Promise<Entry> =>
  send("POST", "/annotations", { frame_id: frameId, class_name: className, ...shape });

/** Give many annotations the same status, all or none of them. */
export async function decide(ids: readonly string[], status: Status): Promise<readonly Entry[]> {
  return (await send<{ items: Entry[] }>("POST", "/annotations/decisions", { ids, status })).items;
}

/** The same for so many that the answer does not list them. */
export const decideFar = (ids: readonly string[], status: Status): Promise<unknown> =>
  send("POST", "/annotations/decisions", { ids, status, return_items: false });

/** Decide about all open proposals that match: their ids. */
export const decideMatching = (matching: Matching): Promise<{ ids: readonly string[]; total: number }> =>
  send("POST", "/annotations/decisions/matching", matching);

/** How many open proposals of a class there are. */
export async function countProposed(className: string, where: Pick<Matching, "project" | "video_id" | "frame_id">): Promise<number> {
  const page = await send<Page<Entry>>("GET", `/annotations?${query({ ...where, class_name: className, status: "proposed", limit: 1 })}`);
  return page.total;
}

/** Ask for the mask of one object by points and a box; with `annotationId` from the mask that it has. */
export const refine = (
  frameId: string,
  points: readonly PromptPoint[],
  box: Box | null,
  annotationId: string | null,
  signal: AbortSignal,
): Promise<Refinement> =>
  send(
    "POST",
    `/frames/${frameId}/segmentations`,
    { points: points.map(({ x, y, isPositive }) => ({ x, y, is_positive: isPositive })), box_xyxy: box, annotation_id: annotationId },
    signal,
  );

export async function classNames(project: string, signal?: AbortSignal): Promise<string[]> {
  const path = `/projects/${encodeURIComponent(project)}/classes`;
  return (await send<Page<{ name: string }>>("GET", path, undefined, signal)).items.map(({ name }) => name);
}
