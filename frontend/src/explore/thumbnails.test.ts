import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { IDS_IN_PACK, readPack, ThumbnailLoader } from "./thumbnails";

function pack(pictures: readonly (readonly number[])[]): ArrayBuffer {
  const head = new Uint32Array([pictures.length, ...pictures.map((picture) => picture.length)]);
  return new Uint8Array([...new Uint8Array(head.buffer), ...pictures.flat()]).buffer;
}

describe("readPack", () => {
  it("gives each picture its own bytes, and null where there is none", () => {
    const pictures = readPack(pack([[1, 2], [], [3]]));
    expect(pictures.map((picture) => (picture === null ? null : [...picture]))).toEqual([[1, 2], null, [3]]);
  });
});

describe("ThumbnailLoader", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(URL, "createObjectURL").mockReturnValue("blob:x");
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  interface Asked {
    readonly ids: readonly string[];
    readonly signal: AbortSignal;
    readonly answer: () => void;
    readonly fail: () => void;
  }

  function loaderWithServer() {
    const asked: Asked[] = [];
    const loader = new ThumbnailLoader(
      (ids, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener("abort", () => reject(new Error("aborted")));
          asked.push({ ids, signal, answer: () => resolve(pack(ids.map(() => [1]))), fail: () => reject(new Error("no")) });
        }),
    );
    return { loader, asked };
  }

  it("asks once for what is wished for together, and tells", async () => {
    const { loader, asked } = loaderWithServer();
    const tell = vi.fn();
    loader.wish("1", tell);
    loader.wish("2", tell);
    await vi.advanceTimersByTimeAsync(20);
    expect(asked.map(({ ids }) => ids)).toEqual([["1", "2"]]);
    asked[0]?.answer();
    await vi.advanceTimersByTimeAsync(0);
    expect(tell).toHaveBeenCalledTimes(2);
    expect(loader.url("1")).toBe("blob:x");
  });

  it("asks for the newest wishes first", async () => {
    const { loader, asked } = loaderWithServer();
    for (let i = 0; i < IDS_IN_PACK + 2; i += 1) loader.wish(String(i), () => undefined);
    await vi.advanceTimersByTimeAsync(20);
    expect(asked[0]?.ids).toContain(String(IDS_IN_PACK + 1));
    expect(asked[1]?.ids).toEqual(["0", "1"]);
  });

  it("drops a pack that nobody wants any more", async () => {
    const { loader, asked } = loaderWithServer();
    const end = loader.wish("1", () => undefined);
    await vi.advanceTimersByTimeAsync(20);
    end();
    loader.wish("2", () => undefined);
    await vi.advanceTimersByTimeAsync(20);
    expect(asked[0]?.signal.aborted).toBe(true);
    expect(asked[1]?.ids).toEqual(["2"]);
  });

  it("asks again after a pause when the server failed", async () => {
    const { loader, asked } = loaderWithServer();
    loader.wish("1", () => undefined);
    await vi.advanceTimersByTimeAsync(20);
    asked[0]?.fail();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(asked).toHaveLength(2);
  });
});
