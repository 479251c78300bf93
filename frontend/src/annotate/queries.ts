/** What the annotate page reads: which frames, and what is in each of them. */
import { type QueryClient, keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { imageUrl } from "@/api/client";
import { COLUMNS, type FrameColumns, framesOf, framesQuery } from "@/api/frames";
import { keptFrames } from "@/app/frameSets";
import * as server from "./api";
import type { Walk } from "./urlState";

const FROM_SEARCH = 200;

export const annotationsKey = (frameId: string) => ["annotations", "frame", frameId] as const;

export const annotationsQuery = (frameId: string) =>
  queryOptions({
    queryKey: annotationsKey(frameId),
    queryFn: ({ signal }): Promise<readonly server.Entry[]> => server.annotationsOf(frameId, signal),
  });

export const frameQuery = (frameId: string) =>
  queryOptions({ queryKey: ["frames", { one: frameId }], queryFn: ({ signal }) => server.frame(frameId, signal), staleTime: Infinity });

/** The frames that are walked through, in their order. */
export interface FrameSet {
  readonly ids: readonly string[];
  /** Of all frames of the project or video, by frame id: where they are in `table`. */
  readonly rows: ReadonlyMap<string, number>;
  readonly table: FrameColumns;
  /** Of the frames of the set, where they are in `ids`. */
  readonly places: ReadonlyMap<string, number>;
}

/** What is known of a frame of a set without asking for it. */
export interface FrameFacts {
  readonly videoId: string;
  readonly index: number;
  readonly pts_s: number;
  readonly nAccepted: number;
  readonly nProposed: number;
}

export function factsOf({ rows, table }: FrameSet, frameId: string): FrameFacts | null {
  const row = rows.get(frameId);
  if (row === undefined) return null;
  return {
    videoId: table.video_ids[row] ?? "",
    index: table.indices[row] ?? 0,
    pts_s: table.pts_s[row] ?? 0,
    nAccepted: table.n_accepted[row] ?? 0,
    nProposed: table.n_proposed[row] ?? 0,
  };
}

/** The frames of a walk; `data` is undefined while they are asked for. */
export function useFrameSet(walk: Walk): { data: FrameSet | undefined; error: unknown; isSetLost: boolean; retry: () => void } {
  const { project, videoId } = walk;
  const table = useQuery({ ...framesQuery({ project, videoId }), placeholderData: keepPreviousData });
  const named = useMemo(() => walk.frameIds ?? (walk.setKey === null ? null : keptFrames(walk.setKey)), [walk]);
  const isSetLost = walk.frameIds === null && walk.setKey !== null && named === null;
  const isChosen = named === null && (walk.isUndecided || walk.className !== null || walk.searchText !== null);
  // What is chosen stays so while one walks through it: a frame does not vanish because it was decided about.
  const chosen = useQuery({
    queryKey: ["walk", project, videoId, walk.className, walk.isUndecided, walk.searchText],
    queryFn: ({ signal }) => chosenFrames(walk, signal),
    enabled: isChosen,
    staleTime: Infinity,
  });
  const tableData = table.data;
  const ids = named ?? (isChosen ? chosen.data : tableData?.ids);
  const tableIds = tableData?.ids;
  // Counts change often, the frames seldom.
  const rows = useMemo(() => new Map(tableIds?.map((id, row) => [id, row])), [tableIds]);
  const places = useMemo(() => (ids === tableIds ? rows : new Map(ids?.map((id, place) => [id, place]))), [ids, tableIds, rows]);
  const data = useMemo(
    () => (tableData === undefined || ids === undefined ? undefined : { ids, rows, table: tableData, places }),
    [tableData, ids, rows, places],
  );
  const retry = () => {
    if (table.isError) void table.refetch();
    if (chosen.isError) void chosen.refetch();
  };
  return { data, error: table.error ?? chosen.error, isSetLost, retry };
}

async function chosenFrames({ project, videoId, className, isUndecided, searchText }: Walk, signal: AbortSignal): Promise<readonly string[]> {
  if (searchText !== null) return server.foundFrames(searchText, project, FROM_SEARCH, signal);
  return (await framesOf({ project, videoId, className, isUndecided }, signal)).ids;
}

/** Write how many objects a frame has, decided and undecided, into the tables that name it. */
export function patchTables(client: QueryClient, frameId: string, entries: readonly server.Entry[]): void {
  const count = (status: server.Status) => entries.filter((entry) => entry.status === status).length;
  const [nAccepted, nProposed] = [count("accepted"), count("proposed")];
  client.setQueriesData<FrameColumns>({ queryKey: COLUMNS }, (table) => {
    const row = table?.ids.indexOf(frameId) ?? -1;
    if (table === undefined || row < 0) return table;
    return { ...table, n_accepted: table.n_accepted.with(row, nAccepted), n_proposed: table.n_proposed.with(row, nProposed) };
  });
}

/** Have the frames at hand that are likely to be next. */
export function prefetch(client: QueryClient, frameIds: readonly string[]): void {
  for (const id of frameIds) {
    void client.prefetchQuery(frameQuery(id));
    void client.prefetchQuery(annotationsQuery(id));
    new Image().src = imageUrl(id);
  }
}
