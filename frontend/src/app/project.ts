/** The project that is looked at: part of the URL, so that a link shows the same to everybody. */
import { useSearchParams } from "wouter";

export const DEFAULT_PROJECT = "default";

export function useProject(): string {
  const [search] = useSearchParams();
  return search.get("project") ?? DEFAULT_PROJECT;
}

/** A link that keeps the project. */
export function withProject(path: string, project: string): string {
  if (project === DEFAULT_PROJECT) return path;
  const [start = "", query = ""] = path.split("?");
  const search = new URLSearchParams(query);
  search.set("project", project);
  return `${start}?${search.toString()}`;
}
