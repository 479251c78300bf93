import { type QueryClient, queryOptions, useQuery } from "@tanstack/react-query";
import { api, body } from "./client";

const names = queryOptions({
  queryKey: ["projects"],
  queryFn: async ({ signal }) => (await body(api.GET("/api/v1/projects", { signal }))).items.map(({ name }) => name),
  staleTime: 30_000,
});

/** The names of all projects. */
export const useProjects = () => useQuery(names);

/** Whether a project is there: it comes to be with its first video, and to ask for it before that is an error. */
export const hasProject = async (client: QueryClient, project: string) => (await client.fetchQuery(names)).includes(project);

/** The names of the classes of a project. */
export function useClasses(project: string) {
  return useQuery({
    queryKey: ["projects", project, "classes"],
    queryFn: async ({ client, signal }) => {
      if (!(await hasProject(client, project))) return [];
      const page = await body(api.GET("/api/v1/projects/{name}/classes", { params: { path: { name: project } }, signal }));
      return page.items.map(({ name }) => name);
    },
  });
}
