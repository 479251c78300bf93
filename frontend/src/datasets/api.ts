/** What a project holds, and how it leaves. */
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body, type Job, ROOT, type Schemas } from "@/api/client";
import { JOBS } from "@/api/jobs";
import { hasProject } from "@/api/projects";

const EXPORTS = ["exports"] as const;

export type Summary = Schemas["Summary"];
export type Order = Required<Pick<Schemas["Export"], "format" | "status" | "project">>;

/** How much of a project is there; null before it has a video. */
export function useSummary(project: string) {
  return useQuery({
    queryKey: ["projects", project, "summary"],
    queryFn: async ({ client, signal }) => {
      if (!(await hasProject(client, project))) return null;
      return body(api.GET("/api/v1/projects/{name}/summary", { params: { path: { name: project } }, signal }));
    },
  });
}

export function useExportFormats() {
  return useQuery({ queryKey: ["export-formats"], queryFn: ({ signal }) => body(api.GET("/api/v1/export-formats", { signal })), staleTime: Infinity });
}

/** What an export would write; its key is out of date with every change of an annotation. */
export function usePreview(order: Order) {
  return useQuery({
    queryKey: ["annotations", "preview", order],
    queryFn: ({ signal }) => body(api.POST("/api/v1/exports/preview", { body: order, signal })),
    placeholderData: keepPreviousData,
    retry: false,
  });
}

/** The exports of a project, newest first. */
export function useExports(project: string) {
  return useQuery({
    queryKey: [...EXPORTS, project],
    queryFn: async ({ client, signal }): Promise<readonly Job[]> => {
      if (!(await hasProject(client, project))) return [];
      return (await body(api.GET("/api/v1/jobs", { params: { query: { kind: "export", project, limit: 50 } }, signal }))).items;
    },
  });
}

export function useExport() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (order: Order & { readonly directory: string }): Promise<Job> => {
      const { directory, ...rest } = order;
      return body(api.POST("/api/v1/exports", { body: { ...rest, ...(directory === "" ? {} : { directory }) } }));
    },
    onSuccess: () => Promise.all([JOBS, EXPORTS].map((queryKey) => client.invalidateQueries({ queryKey }))),
  });
}

export const archiveUrl = (jobId: string) => `${ROOT}/exports/${jobId}/archive`;
