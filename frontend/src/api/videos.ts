import { useQuery } from "@tanstack/react-query";
import { api, body, type Video } from "./client";
import { hasProject } from "./projects";

const AT_ONCE = 1_000;

/** All videos of a project, by id. */
export function useVideos(project: string) {
  return useQuery({
    queryKey: ["videos", project],
    queryFn: async ({ client, signal }) => {
      if (!(await hasProject(client, project))) return [];
      const videos: Video[] = [];
      let cursor: string | null = null;
      do {
        const page: { items: Video[]; next_cursor: string | null } = await body(
          api.GET("/api/v1/videos", { params: { query: { project, limit: AT_ONCE, ...(cursor === null ? {} : { cursor }) } }, signal }),
        );
        videos.push(...page.items);
        cursor = page.next_cursor;
      } while (cursor !== null);
      return videos;
    },
  });
}
