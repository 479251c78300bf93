/** The typed client of the HTTP API; its types are generated from docs/openapi.json. */
import createClient, { type Middleware } from "openapi-fetch";
import { useSettings } from "@/app/settings";
import { Problem } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Video = Schemas["Video"];
export type Frame = Schemas["Frame"];
export type Annotation = Schemas["Annotation"];
export type Job = Schemas["Job"];

export const ROOT = "/api/v1";

/** Says who acts, and turns every answer that is no success into a {@link Problem}. */
const middleware: Middleware = {
  onRequest({ request }) {
    const { actor } = useSettings.getState();
    if (actor !== "") request.headers.set("X-Komadori-Actor", encodeURIComponent(actor));
    return request;
  },
  async onResponse({ response }) {
    if (!response.ok) throw await Problem.of(response);
  },
  onError() {
    return Problem.offline();
  },
};

export const api = createClient<paths>({ baseUrl: "", headers: { Accept: "application/json" } });
api.use(middleware);

/** The body of an answer; an answer without one is an error of the server. */
export async function body<T>(answer: Promise<{ data?: T }>): Promise<T> {
  const { data } = await answer;
  if (data === undefined) throw new Error("the server answered without a body");
  return data;
}

/** A request that the typed client has no place for, such as one whose answer is bytes. */
export async function fetchBytes(path: string, options: RequestInit = {}): Promise<ArrayBuffer> {
  const response = await fetch(path, options).catch((error: unknown) => {
    if (options.signal?.aborted === true) throw error;
    throw Problem.offline();
  });
  if (!response.ok) throw await Problem.of(response);
  return response.arrayBuffer();
}

/**
 * Pictures are kept by the browser for a year, by their address. Another home may be served under the same address one
 * day, such as a demo before one's own, so theirs names the database.
 */
let databaseId = "";

/** Say which database is looked at, before any picture of it is. */
export function lookAt(id: string): void {
  databaseId = id;
}

export const imageUrl = (frameId: string) => `${ROOT}/frames/${frameId}/image?of=${databaseId}`;
export const thumbnailUrl = (frameId: string) => `${ROOT}/frames/${frameId}/thumbnail?of=${databaseId}`;
/** Of a pack of thumbnails. */
export const thumbnailsUrl = (frameIds: readonly string[]) => `${ROOT}/thumbnails?ids=${frameIds.join(",")}&of=${databaseId}`;
