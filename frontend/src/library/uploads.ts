/**
 * Files on their way to Komadori, by the tus protocol: what has been sent stays there, and an upload goes
 * on after an interruption. They go one after the other, and go on while other pages are looked at.
 */
import { create } from "zustand";
import { api, body, ROOT } from "@/api/client";
import { Problem } from "@/api/problem";
import { useSettings } from "@/app/settings";
import { asRequest, type Sampling } from "./sampling";

export interface Upload {
  readonly id: number;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sentBytes: number;
  readonly state: "waiting" | "sending" | "adding" | "failed";
  readonly error: { readonly text: string; readonly hint: string } | null;
}

interface Order {
  readonly file: File;
  readonly project: string;
  readonly sampling: Sampling;
}

interface Store {
  readonly uploads: readonly Upload[];
}

export const useUploads = create<Store>()(() => ({ uploads: [] }));

const orders = new Map<number, Order>();
const aborts = new Map<number, () => void>();
let lastId = 0;
let isBusy = false;

/** Send files, and have frames taken from each as soon as it is there. `onAdded` hears of each such job. */
export function startUploads(files: readonly File[], project: string, sampling: Sampling, onAdded: () => void): void {
  for (const file of files) {
    lastId += 1;
    orders.set(lastId, { file, project, sampling });
    const upload: Upload = { id: lastId, name: file.name, sizeBytes: file.size, sentBytes: 0, state: "waiting", error: null };
    useUploads.setState(({ uploads }) => ({ uploads: [...uploads, upload] }));
  }
  void work(onAdded);
}

/** Go on with an upload that failed, from where it was. */
export function retryUpload(id: number, onAdded: () => void): void {
  change(id, { state: "waiting", error: null });
  void work(onAdded);
}

/** Stop an upload and forget it. */
export function cancelUpload(id: number): void {
  aborts.get(id)?.();
  forget(id);
}

function forget(id: number): void {
  orders.delete(id);
  aborts.delete(id);
  useUploads.setState(({ uploads }) => ({ uploads: uploads.filter((upload) => upload.id !== id) }));
}

function change(id: number, changes: Partial<Upload>): void {
  useUploads.setState(({ uploads }) => ({
    uploads: uploads.map((upload) => (upload.id === id ? { ...upload, ...changes } : upload)),
  }));
}

async function work(onAdded: () => void): Promise<void> {
  if (isBusy) return;
  isBusy = true;
  try {
    for (let next = nextWaiting(); next !== undefined; next = nextWaiting()) await sendOne(next.id, onAdded);
  } finally {
    isBusy = false;
  }
}

const nextWaiting = () => useUploads.getState().uploads.find(({ state }) => state === "waiting");

async function sendOne(id: number, onAdded: () => void): Promise<void> {
  const order = orders.get(id);
  if (order === undefined) return;
  try {
    change(id, { state: "sending" });
    const uploadId = await send(id, order.file);
    change(id, { state: "adding" });
    await body(api.POST("/api/v1/videos", { body: { upload_id: uploadId, project: order.project, ...asRequest(order.sampling) } }));
    forget(id);
    onAdded();
  } catch (error) {
    if (!orders.has(id)) return;
    change(id, { state: "failed", error: explained(error) });
  }
}

/** Send a file: the id of the whole upload. */
async function send(id: number, file: File): Promise<string> {
  const { Upload: TusUpload } = await import("tus-js-client");
  const { actor } = useSettings.getState();
  return new Promise((resolve, reject) => {
    const upload = new TusUpload(file, {
      endpoint: `${ROOT}/uploads`,
      metadata: { filename: file.name },
      headers: actor === "" ? {} : { "X-Komadori-Actor": encodeURIComponent(actor) },
      retryDelays: [0, 1_000, 3_000, 5_000, 10_000, 20_000],
      removeFingerprintOnSuccess: true,
      onProgress: (sentBytes) => change(id, { sentBytes }),
      onError: reject,
      onSuccess: () => resolve(upload.url?.split("/").at(-1) ?? ""),
    });
    aborts.set(id, () => {
      void upload.abort(true);
      reject(new Error("stopped"));
    });
    void upload.findPreviousUploads().then(([previous]) => {
      if (previous !== undefined) upload.resumeFromPreviousUpload(previous);
      upload.start();
    }, reject);
  });
}

function explained(error: unknown): { text: string; hint: string } {
  if (error instanceof Problem) return { text: error.detail, hint: error.hint };
  const answer = (error as { originalResponse?: { getBody: () => string } | null }).originalResponse?.getBody();
  try {
    const { detail, hint } = JSON.parse(answer ?? "") as { detail?: string; hint?: string };
    if (detail !== undefined) return { text: detail, hint: hint ?? "" };
  } catch {
    // what follows is all that is known
  }
  return { text: "", hint: "" };
}
