/** What the annotate page asks of the API. */
import { type Annotation, api, body, type Frame, type Schemas } from "@/api/client";
import type { PromptPoint } from "./canvas/types";
import type { Box, CocoRle } from "@/masks/types";

export type Status = Schemas["AnnotationStatus"];

/** An annotation as the API gives it; the shapes are said more exactly than its description can. */
export interface Entry extends Readonly<Omit<Annotation, "bbox_xyxy" | "segmentation">> {
  readonly bbox_xyxy: Box;
  readonly segmentation: CocoRle | null;
}

/** What an annotation was before its next revision; `changed_s` and `changed_by` tell of the change that ended it. */
export interface FormerState extends Readonly<Omit<Schemas["FormerState"], "bbox_xyxy" | "segmentation">> {
  readonly bbox_xyxy: Box;
  readonly segmentation: CocoRle | null;
}

export interface EditValues {
  readonly class_name?: string;
  readonly bbox_xyxy?: Box;
  readonly segmentation?: CocoRle;
}

/** Where open proposals are decided about: in the whole project, or in one video. */
export interface Place {
  readonly project: string;
  readonly videoId: string | null;
}

const LONGEST_PAGE = 1_000;

/** The frames that a search in words finds, best first. */
export async function foundFrames(text: string, project: string, k: number, signal: AbortSignal): Promise<string[]> {
  return (await body(api.POST("/api/v1/searches", { body: { text, project, k }, signal }))).hits.map((hit) => hit.frame_id);
}

export const frame = (id: string, signal: AbortSignal): Promise<Frame> =>
  body(api.GET("/api/v1/frames/{frame_id}", { params: { path: { frame_id: id } }, signal }));

/** All annotations of a frame, by id. */
export async function annotationsOf(frameId: string, signal?: AbortSignal): Promise<Entry[]> {
  const items: Entry[] = [];
  let cursor: string | null = null;
  do {
    const query = { frame_id: frameId, limit: LONGEST_PAGE, ...(cursor !== null && { cursor }) };
    const page: { items: Annotation[]; next_cursor: string | null } = await body(
      api.GET("/api/v1/annotations", { params: { query }, ...(signal && { signal }) }),
    );
    items.push(...page.items.map(entryOf));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return items;
}

const one = (id: string) => ({ path: { annotation_id: id } });

export const annotation = async (id: string): Promise<Entry> =>
  entryOf(await body(api.GET("/api/v1/annotations/{annotation_id}", { params: one(id) })));

export async function history(id: string, signal: AbortSignal): Promise<FormerState[]> {
  const { items } = await body(api.GET("/api/v1/annotations/{annotation_id}/history", { params: one(id), signal }));
  return items.map((state) => withTuples<FormerState>(state));
}

export async function edit(id: string, values: EditValues, expectedRevision: number): Promise<Entry> {
  const { class_name: className, ...shape } = values;
  const changes = { ...(className !== undefined && { class_name: className }), ...shapeIn(shape), expected_revision: expectedRevision };
  return entryOf(await body(api.PATCH("/api/v1/annotations/{annotation_id}", { params: one(id), body: changes })));
}

export async function revert(id: string, revision: number, expectedRevision: number): Promise<Entry> {
  const request = { revision, expected_revision: expectedRevision };
  return entryOf(await body(api.POST("/api/v1/annotations/{annotation_id}/revert", { params: one(id), body: request })));
}

export async function draw(frameId: string, className: string, shape: Omit<EditValues, "class_name">): Promise<Entry> {
  const request = { frame_id: frameId, class_name: className, ...shapeIn(shape) };
  return entryOf(await body(api.POST("/api/v1/annotations", { body: request })));
}

/** Give annotations the same status, all or none of them. */
export async function decide(ids: readonly string[], status: Status): Promise<Entry[]> {
  const { items } = await body(api.POST("/api/v1/annotations/decisions", { body: { ids: [...ids], status, return_items: true } }));
  return items.map(entryOf);
}

/** The same for so many that the answer does not describe them. */
export const decideFar = (ids: readonly string[], status: Status): Promise<unknown> =>
  body(api.POST("/api/v1/annotations/decisions", { body: { ids: [...ids], status, return_items: false } }));

/** Accept all open proposals of a class from a score on: their ids. */
export async function acceptMatching({ project, videoId }: Place, className: string, minScore: number): Promise<string[]> {
  const request = { project, video_id: videoId, status: "accepted" as const, class_name: className, min_confidence: minScore > 0 ? minScore : null };
  return (await body(api.POST("/api/v1/annotations/decisions/matching", { body: request }))).ids;
}

/** How many open proposals of a class there are, at any score. */
export async function countProposed({ project, videoId }: Place, className: string): Promise<number> {
  const query = { project, class_name: className, status: "proposed" as const, limit: 1, ...(videoId !== null && { video_id: videoId }) };
  return (await body(api.GET("/api/v1/annotations", { params: { query } }))).total;
}

/** Ask for the mask of one object by points and a box; with `annotationId` beginning with the mask that it has. */
export async function refine(
  frameId: string,
  points: readonly PromptPoint[],
  box: Box | null,
  annotationId: string | null,
  signal: AbortSignal,
): Promise<CocoRle> {
  const request = {
    points: points.map(({ x, y, isPositive }) => ({ x, y, is_positive: isPositive })),
    box_xyxy: box && [...box],
    annotation_id: annotationId,
  };
  const params = { path: { frame_id: frameId } };
  const found = await body(api.POST("/api/v1/frames/{frame_id}/segmentations", { params, body: request, signal }));
  return withTuples<CocoRle>(found.segmentation);
}

/** The API's description knows lists only where there are a box's four edges and a mask's two sides. */
const withTuples = <T>(found: unknown): T => found as T;

const entryOf = (found: Annotation): Entry => withTuples<Entry>(found);

function shapeIn({ bbox_xyxy: box, segmentation: mask }: Omit<EditValues, "class_name">) {
  return { ...(box && { bbox_xyxy: [...box] }), ...(mask && { segmentation: { size: [...mask.size], counts: mask.counts } }) };
}
