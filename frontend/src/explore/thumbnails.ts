/**
 * Loads thumbnails in packs: one request brings dozens, newest wish first, and what has scrolled away is
 * dropped. Plain images cannot do that: browsers go on loading those of elements that are gone, and a
 * flick through ten thousand frames left the visible ones waiting for half a minute.
 */
import { useCallback, useSyncExternalStore } from "react";
import { fetchBytes, thumbnailsUrl } from "@/api/client";

export const IDS_IN_PACK = 48;
const PACKS_AT_ONCE = 3;
const KEPT = 4_000;
const GATHER_MS = 8;
const AFTER_FAILURE_MS = 2_000;

/** The JPEGs of a pack, null where the server has none. */
export function readPack(bytes: ArrayBuffer): (Uint8Array<ArrayBuffer> | null)[] {
  const view = new DataView(bytes);
  const n = view.getUint32(0, true);
  const pictures: (Uint8Array<ArrayBuffer> | null)[] = [];
  let start = 4 + 4 * n;
  for (let i = 0; i < n; i += 1) {
    const length = view.getUint32(4 + 4 * i, true);
    pictures.push(length === 0 ? null : new Uint8Array(bytes, start, length));
    start += length;
  }
  return pictures;
}

/** Gives the bytes of a pack of thumbnails for these frames. */
export type FetchPack = (ids: readonly string[], signal: AbortSignal) => Promise<ArrayBuffer>;

const fetchFromServer: FetchPack = (ids, signal) => fetchBytes(thumbnailsUrl(ids), { signal });

export class ThumbnailLoader {
  /** URLs by frame, in the order in which they came; null when there is no thumbnail. */
  #urls = new Map<string, string | null>();
  /** Who waits for a frame; in the order of the wishes. */
  #wishes = new Map<string, Set<() => void>>();
  #loading = new Map<string, AbortController>();
  #isScheduled = false;
  #nLoading = 0;

  constructor(private readonly fetchPack: FetchPack) {}

  /** The URL of a thumbnail; undefined while it is not here yet. */
  url(id: string): string | null | undefined {
    return this.#urls.get(id);
  }

  /** Load a thumbnail and tell when it is here; the wish ends with the function that is returned. */
  wish(id: string, tell: () => void): () => void {
    const tellers = this.#wishes.get(id) ?? new Set();
    this.#wishes.delete(id);
    this.#wishes.set(id, tellers.add(tell));
    this.#schedule();
    return () => {
      tellers.delete(tell);
      if (tellers.size === 0 && this.#wishes.get(id) === tellers) this.#wishes.delete(id);
    };
  }

  #schedule(waitMs = GATHER_MS): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      this.#dropUnwanted();
      while (this.#nLoading < PACKS_AT_ONCE && this.#startPack());
    }, waitMs);
  }

  #startPack(): boolean {
    const ids = [...this.#wishes.keys()].filter((id) => !this.#loading.has(id) && !this.#urls.has(id)).slice(-IDS_IN_PACK);
    if (ids.length === 0) return false;
    const controller = new AbortController();
    for (const id of ids) this.#loading.set(id, controller);
    this.#nLoading += 1;
    void this.#load(ids, controller);
    return true;
  }

  async #load(ids: readonly string[], controller: AbortController): Promise<void> {
    let waitMs = GATHER_MS;
    try {
      const pictures = readPack(await this.fetchPack(ids, controller.signal));
      ids.forEach((id, i) => this.#keep(id, pictures[i] ?? null));
    } catch {
      // Its tiles keep their colour meanwhile.
      if (!controller.signal.aborted) waitMs = AFTER_FAILURE_MS;
    }
    for (const id of ids) this.#loading.delete(id);
    this.#nLoading -= 1;
    for (const id of ids) for (const tell of this.#wishes.get(id) ?? []) tell();
    if (this.#hasMissing()) this.#schedule(waitMs);
  }

  #hasMissing(): boolean {
    for (const id of this.#wishes.keys()) if (!this.#urls.has(id)) return true;
    return false;
  }

  /** A pack of which nobody wants anything any more only stands in the way. */
  #dropUnwanted(): void {
    const controllers = new Set(this.#loading.values());
    for (const [id, controller] of this.#loading) if (this.#wishes.has(id)) controllers.delete(controller);
    for (const controller of controllers) controller.abort();
  }

  #keep(id: string, picture: Uint8Array<ArrayBuffer> | null): void {
    this.#urls.set(id, picture === null ? null : URL.createObjectURL(new Blob([picture], { type: "image/jpeg" })));
    for (const [old, url] of this.#urls) {
      if (this.#urls.size <= KEPT) break;
      if (this.#wishes.has(old)) continue;
      if (url !== null) URL.revokeObjectURL(url);
      this.#urls.delete(old);
    }
  }
}

export const thumbnails = new ThumbnailLoader(fetchFromServer);

/** The URL of a frame's thumbnail; undefined while it loads, null when there is none. Asks for nothing while `isPaused`. */
export function useThumbnail(id: string, isPaused = false): string | null | undefined {
  const subscribe = useCallback((tell: () => void) => (isPaused ? () => undefined : thumbnails.wish(id, tell)), [id, isPaused]);
  return useSyncExternalStore(subscribe, () => thumbnails.url(id));
}
