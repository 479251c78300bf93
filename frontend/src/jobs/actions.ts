import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, body, type Job } from "@/api/client";
import { JOBS } from "@/api/jobs";

export type JobAction = "pause" | "resume" | "cancel" | "retry";

/** Pauses, resumes, cancels or retries a job. */
export function useJobAction() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, action }: { readonly id: string; readonly action: JobAction }): Promise<Job> => {
      const params = { params: { path: { job_id: id } } };
      if (action === "pause") return body(api.POST("/api/v1/jobs/{job_id}/pause", params));
      if (action === "resume") return body(api.POST("/api/v1/jobs/{job_id}/resume", params));
      if (action === "cancel") return body(api.POST("/api/v1/jobs/{job_id}/cancel", params));
      return body(api.POST("/api/v1/jobs/{job_id}/retry", params));
    },
    onSuccess: (job) => client.setQueryData<Job[]>(JOBS, (jobs) => jobs?.map((other) => (other.id === job.id ? job : other))),
  });
}
