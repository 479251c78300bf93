/**
 * The changes of this page, for as long as it is open: what is on its way to the server goes on when another page is
 * shown, and what was done can be undone.
 */
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { events } from "@/api/events";
import * as server from "../api";
import { annotationsKey, patchTables } from "../queries";
import { CommandStack } from "./commands";
import { Outbox } from "./outbox";
import type { Task } from "./ports";

type Failure = (task: Task) => void;

let client: QueryClient | null = null;
let onFailure: Failure = () => undefined;

export const outbox = new Outbox(
  {
    edit: server.edit,
    revert: server.revert,
    draw: server.draw,
    decide: server.decide,
    decideFar: server.decideFar,
    get: server.annotation,
    list: server.annotationsOf,
  },
  {
    saved: (frameId, entries) => keep(frameId, entries),
    failed: (task) => onFailure(task),
    replaced: (frameId) => void client?.invalidateQueries({ queryKey: annotationsKey(frameId) }),
  },
);

export const commands = new CommandStack(outbox);

/** Put what the server has now into the cache. */
function keep(frameId: string | null, entries: readonly server.Entry[]): void {
  if (client === null) return;
  if (frameId === null) {
    for (const key of ["annotations", "frames", "projects"]) void client.invalidateQueries({ queryKey: [key] });
    return;
  }
  const key = annotationsKey(frameId);
  // An answer that was under way may be older than this.
  const wasFetching = client.isFetching({ queryKey: key }) > 0;
  void client.cancelQueries({ queryKey: key });
  const list = client.setQueryData<readonly server.Entry[]>(key, (before) => before && merged(before, entries));
  if (wasFetching || list === undefined) void client.invalidateQueries({ queryKey: key });
  if (list !== undefined) patchTables(client, frameId, list);
  void client.invalidateQueries({ queryKey: ["projects"], refetchType: "none" });
}

function merged(before: readonly server.Entry[], entries: readonly server.Entry[]): readonly server.Entry[] {
  const changed = new Map(entries.map((entry) => [entry.id, entry]));
  const kept = before.map((entry) => changed.get(entry.id) ?? entry);
  const known = new Set(before.map((entry) => entry.id));
  return [...kept, ...entries.filter((entry) => !known.has(entry.id))];
}

/** Keep the cache of queries up to date with what is saved, and try again when the connection is back. */
export function useSaving(queries: QueryClient, failure: Failure): void {
  useEffect(() => {
    client = queries;
    onFailure = failure;
  });
  useEffect(() => {
    const stop = events.subscribe(() => {
      if (events.state() === "open") outbox.wake();
    });
    const warn = (event: BeforeUnloadEvent) => {
      if (outbox.nUnsaved > 0) event.preventDefault();
    };
    window.addEventListener("beforeunload", warn);
    return () => {
      stop();
      // Elsewhere on this page the warning still stands, as long as something is unsaved.
      if (outbox.nUnsaved === 0) window.removeEventListener("beforeunload", warn);
    };
  }, []);
}

/** Renders again with everything that happens to changes. */
export const useOutboxVersion = (): number => useSyncExternalStore(outbox.subscribe, outbox.version);
