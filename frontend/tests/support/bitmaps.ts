/** Small masks as pictures of text, and random ones, for tests. */
import { join, type Spans } from "@/masks/spans";

/** Rows of "#" for the object and "." for the rest. */
export function spansOf(rows: readonly string[]): Spans {
  const width = rows[0]?.length ?? 0;
  const bounds: number[] = [];
  for (let x = 0; x < width; x += 1) {
    for (const [y, row] of rows.entries()) {
      const at = x * rows.length + y;
      if (row[x] === "#") bounds.push(at, at + 1);
    }
  }
  return join(rows.length, width, bounds);
}

export function rowsOf({ height, width, bounds }: Spans): string[] {
  const pixels = Array.from({ length: height }, () => Array.from({ length: width }, () => "."));
  for (let i = 0; i < bounds.length; i += 2) {
    for (let at = bounds[i] ?? 0; at < (bounds[i + 1] ?? 0); at += 1) {
      const row = pixels[at % height];
      if (row !== undefined) row[Math.floor(at / height)] = "#";
    }
  }
  return pixels.map((row) => row.join(""));
}

/** Numbers from 0 to 1 that are the same in every run. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A mask in which each pixel is set with the given chance. */
export function noise(random: () => number, height: number, width: number, chance: number): Spans {
  return spansOf(Array.from({ length: height }, () => Array.from({ length: width }, () => (random() < chance ? "#" : ".")).join("")));
}
