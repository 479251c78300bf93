/** Runs of the segmenter: asking for them, and how far they are. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body, type Job } from "@/api/client";
import { isEnded, JOBS, useJobs } from "@/api/jobs";
import { outbox } from "../saving/session";
import type { Scope } from "./targets";

/** Scores from which proposals are kept, so that the slider has something to show without a new run. */
const KEPT_FROM = 0.3;

export interface RunRequest {
  readonly project: string;
  readonly prompts: readonly string[];
  readonly scopes: readonly Scope[];
  /** Look again at frames that this very request has seen. */
  readonly isForced: boolean;
}

export function useRuns() {
  const client = useQueryClient();
  const jobs = useJobs().data ?? [];
  const runs = jobs.filter(({ kind }) => kind === "annotate");
  const start = useMutation({
    mutationFn: async ({ project, prompts, scopes, isForced }: RunRequest) => {
      // What was decided has to be there before new proposals are.
      await outbox.settled();
      const started: Job[] = [];
      for (const scope of scopes) {
        const request = { project, prompts: [...prompts], score_threshold: KEPT_FROM, force: isForced, ...scope };
        started.push(await body(api.POST("/api/v1/annotation-runs", { body: request })));
      }
      return started;
    },
    onSuccess: () => client.invalidateQueries({ queryKey: JOBS }),
  });
  const cancel = useMutation({
    mutationFn: (job: Job) => body(api.POST("/api/v1/jobs/{job_id}/cancel", { params: { path: { job_id: job.id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: JOBS }),
  });
  return {
    start,
    cancel,
    /** The newest run that is not over. */
    running: runs.find((job) => !isEnded(job)) ?? null,
    /** Frames a second of the newest run that has told it. */
    rate: runs.find((job) => (job.rate_per_s ?? 0) > 0)?.rate_per_s ?? null,
  };
}

const LOOKED_AT_EVERY_MS = 15_000;

export interface SegmenterState {
  readonly state: "ready" | "busy" | "missing";
  /** Which model, and where it runs. */
  readonly detail: string;
  readonly isOnCpu: boolean;
}

/** The worker that does the runs; null before it is known. */
export function useSegmenter(): SegmenterState | null {
  const { data } = useQuery({
    queryKey: ["workers"],
    queryFn: ({ signal }) => body(api.GET("/api/v1/workers", { signal })),
    refetchInterval: LOOKED_AT_EVERY_MS,
  });
  if (data === undefined) return null;
  const workers = data.filter(({ queue }) => queue === "sam3");
  const ready = workers.find(({ state }) => state === "ready");
  const detail = (ready ?? workers[0])?.detail ?? "";
  return { state: ready !== undefined ? "ready" : workers.length > 0 ? "busy" : "missing", detail, isOnCpu: /\bcpu\b/i.test(detail) };
}
