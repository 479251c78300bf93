/**
 * COCO's compressed run lengths, read and written with the same letters as pycocotools.
 *
 * Each run after the third is stored as the difference to the run two before it, in groups of five bits, low
 * ones first (the format is described by its reference implementation, cocoapi `common/maskApi.c`).
 */
import { join, type Spans } from "./spans";
import type { CocoRle } from "./types";

const ZERO = 48;
const MORE = 0x20;
const SIGN = 0x10;
const LOW_BITS = 0x1f;

/**
 * Where the object of a mask is.
 *
 * @throws Error The letters are not such runs, or the runs do not fill the mask's size exactly.
 */
export function decode({ size, counts }: CocoRle): Spans {
  const [height, width] = size;
  const bounds = readRuns(counts);
  let position = 0;
  for (let i = 0; i < bounds.length; i += 1) {
    const run = bounds[i] ?? 0;
    if (run < 0) throw new Error(`Expected runs of zero or more pixels, got one of ${run}.`);
    position += run;
    bounds[i] = position;
  }
  if (position !== height * width) {
    throw new Error(`Expected runs that fill ${height} x ${width} = ${height * width} pixels, got ${position}.`);
  }
  // Where a background run ends, the object starts; the last background run is followed by nothing.
  return join(height, width, bounds.subarray(0, bounds.length - (bounds.length % 2)));
}

/** The run lengths of an object; equal objects have equal strings. */
export function encode({ height, width, bounds }: Spans): CocoRle {
  const n = bounds.length;
  const total = height * width;
  const runs = new Int32Array(n + 1);
  let position = 0;
  for (let i = 0; i < n; i += 1) {
    const bound = bounds[i] ?? 0;
    runs[i] = bound - position;
    position = bound;
  }
  runs[n] = total - position;
  const hasRest = n === 0 || position < total;
  return { size: [height, width], counts: writeRuns(hasRest ? runs : runs.subarray(0, n)) };
}

function readRuns(counts: string): Int32Array {
  const runs = new Int32Array(counts.length);
  let n = 0;
  let value = 0;
  let shift = 0;
  for (let i = 0; i < counts.length; i += 1) {
    const letter = counts.charCodeAt(i) - ZERO;
    if (letter < 0 || letter >= 2 * MORE || shift > 30) throw new Error("Expected a compressed COCO mask, got foreign letters.");
    value |= (letter & LOW_BITS) << shift;
    shift += 5;
    if ((letter & MORE) !== 0) continue;
    if ((letter & SIGN) !== 0 && shift < 32) value |= -1 << shift;
    runs[n] = n > 2 ? value + (runs[n - 2] ?? 0) : value;
    n += 1;
    value = 0;
    shift = 0;
  }
  if (n === 0 || shift !== 0) throw new Error("Expected a compressed COCO mask, got a string that is empty or cut off.");
  return runs.subarray(0, n);
}

function writeRuns(runs: Int32Array): string {
  const letters = new Uint8Array(7 * runs.length);
  let n = 0;
  for (let i = 0; i < runs.length; i += 1) {
    let value = (runs[i] ?? 0) - (i > 2 ? (runs[i - 2] ?? 0) : 0);
    let isMore = true;
    while (isMore) {
      const low = value & LOW_BITS;
      value >>= 5;
      isMore = (low & SIGN) === 0 ? value !== 0 : value !== -1;
      letters[n] = low + (isMore ? MORE : 0) + ZERO;
      n += 1;
    }
  }
  return new TextDecoder().decode(letters.subarray(0, n));
}
