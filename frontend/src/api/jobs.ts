/** Jobs as the page knows them: asked for once, then kept up to date by the WebSocket. */
import { type QueryClient, useQuery } from "@tanstack/react-query";
import { api, body, type Job } from "./client";
import { events } from "./events";
import { sparingly } from "./sparingly";

export const JOBS = ["jobs"] as const;
const SHOWN = 200;
/** A job moves several times a second; its lists are long. */
const ASKED_EVERY_MS = 700;

/** The newest jobs, newest first. */
export function useJobs() {
  return useQuery({
    queryKey: JOBS,
    queryFn: async ({ signal }) => (await body(api.GET("/api/v1/jobs", { params: { query: { limit: SHOWN } }, signal }))).items,
    // News come over the WebSocket; this is for when it does not.
    refetchInterval: () => (events.state() === "open" ? false : 5_000),
  });
}

export const isEnded = (job: Job) => job.state === "done" || job.state === "failed" || job.state === "cancelled";

/** The share of a job that is finished, 0 to 1, or null when its size is not known yet. */
export const share = (job: Job) => (job.total > 0 ? (job.done + job.skipped + job.failed) / job.total : null);

/** Which lists are out of date when a job of a kind has moved on; the projects come first, since the others ask for them. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  ingest: ["projects", "videos", "frames"],
  embed: ["searches"],
  annotate: ["projects", "annotations", "frames"],
  export: ["exports"],
  delete: ["projects", "videos", "frames", "annotations"],
  proxy: ["playback"],
  pull: ["models"],
};

/** Keep the cache of queries up to date with what the server tells; returns how to stop. */
export function followJobs(client: QueryClient): () => void {
  const { ask, stop } = sparingly(ASKED_EVERY_MS, (key) => void client.invalidateQueries({ queryKey: [key] }));
  const stopListening = events.onJob((job) => {
    let before: Job | undefined;
    client.setQueryData<Job[]>(JOBS, (jobs) => {
      if (jobs === undefined) return undefined;
      before = jobs.find((other) => other.id === job.id);
      return before === undefined ? [job, ...jobs].slice(0, SHOWN) : jobs.map((other) => (other.id === job.id ? job : other));
    });
    const hasMoved = before === undefined || before.done !== job.done || before.state !== job.state || before.total !== job.total;
    if (!hasMoved) return;
    for (const key of CHANGES[job.kind] ?? []) ask(key);
  });
  return () => {
    stopListening();
    stop();
  };
}
