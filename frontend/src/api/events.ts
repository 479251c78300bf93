/**
 * Live news of jobs. One WebSocket a tab: browsers give a page six connections for HTTP/1.1, so that
 * server-sent events would starve the seventh tab.
 */
import { useSyncExternalStore } from "react";
import type { QueryClient } from "@tanstack/react-query";
import { ROOT, type Job } from "./client";

export type Connection = "connecting" | "open" | "offline";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

interface News {
  readonly type: "job";
  readonly seq: number;
  readonly job: Job;
}

class Events {
  #state: Connection = "connecting";
  #listeners = new Set<() => void>();
  #jobListeners = new Set<(job: Job) => void>();
  #socket: WebSocket | null = null;
  #timer: number | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #hasBeenOpen = false;
  #client: QueryClient | null = null;

  /** Connect, and connect again whenever the connection is lost; returns how to stop. */
  start(client: QueryClient): () => void {
    this.#client = client;
    this.#connect();
    const wake = () => {
      if (this.#state !== "open") this.#reconnectNow();
    };
    window.addEventListener("online", wake);
    return () => {
      window.removeEventListener("online", wake);
      window.clearTimeout(this.#timer);
      const socket = this.#socket;
      this.#socket = null;
      socket?.close();
    };
  }

  /** Hear of every job that changes. */
  onJob(listener: (job: Job) => void): () => void {
    this.#jobListeners.add(listener);
    return () => this.#jobListeners.delete(listener);
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  state = (): Connection => this.#state;

  #reconnectNow(): void {
    window.clearTimeout(this.#timer);
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#socket?.close();
    this.#connect();
  }

  #connect(): void {
    const url = new URL(`${ROOT}/events`, window.location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, ["komadori.events"]);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (this.#socket !== socket) return;
      this.#pauseMs = FIRST_PAUSE_MS;
      // What changed while nobody listened is asked for once.
      if (this.#hasBeenOpen) void this.#client?.invalidateQueries();
      this.#hasBeenOpen = true;
      this.#become("open");
    });
    socket.addEventListener("message", (message: MessageEvent<string>) => {
      const { job } = JSON.parse(message.data) as News;
      for (const listener of this.#jobListeners) listener(job);
    });
    socket.addEventListener("close", () => {
      if (this.#socket !== socket) return;
      this.#become("offline");
      this.#timer = window.setTimeout(() => this.#connect(), this.#pauseMs);
      this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
    });
  }

  #become(state: Connection): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

export const events = new Events();

export function useConnection(): Connection {
  return useSyncExternalStore(events.subscribe, events.state);
}
