import type { Outline } from "./outline";

/**
 * The rings of an outline with their steps cut and with fewer corners, at most about `tolerance` pixels (plus the half
 * pixel of a cut step) beside the outline: what is looked at from afar is drawn by a tenth of the corners.
 */
export function smoothed({ corners, ends }: Outline, tolerance: number): Float32Array[] {
  const rings: Float32Array[] = [];
  let start = 0;
  for (const end of ends) {
    rings.push(thinned(withoutSteps(corners.subarray(start, end)), tolerance));
    start = end;
  }
  return rings;
}

/** Each corner is cut half a pixel before and after it, so that stairs of single pixels become straight lines. */
function withoutSteps(corners: Int32Array): Float32Array {
  const n = corners.length;
  const cut = new Float32Array(2 * n);
  let at = 0;
  const add = (x: number, y: number) => {
    if (at > 0 && cut[at - 2] === x && cut[at - 1] === y) return;
    cut[at] = x;
    cut[at + 1] = y;
    at += 2;
  };
  for (let i = 0; i < n; i += 2) {
    const [x, y] = [corners[i] ?? 0, corners[i + 1] ?? 0];
    for (const j of [(i + n - 2) % n, (i + 2) % n]) {
      add(x + Math.sign((corners[j] ?? 0) - x) / 2, y + Math.sign((corners[j + 1] ?? 0) - y) / 2);
    }
  }
  return cut.subarray(0, at);
}

/** The corners that Douglas and Peucker keep (1973): those farther than the tolerance from a line without them. */
function thinned(ring: Float32Array, tolerance: number): Float32Array {
  const n = ring.length / 2;
  const isKept = new Uint8Array(n);
  const far = farthestFrom(ring, 0);
  isKept[0] = 1;
  isKept[far] = 1;
  const open = [0, far, far, n]; // n is the first corner again
  while (open.length > 0) {
    const to = open.pop() ?? 0;
    const from = open.pop() ?? 0;
    const [corner, distance] = farthestBetween(ring, from, to);
    if (distance <= tolerance) continue;
    isKept[corner] = 1;
    open.push(from, corner, corner, to);
  }
  const kept = new Float32Array(ring.length);
  let at = 0;
  for (let i = 0; i < n; i += 1) {
    if (isKept[i] !== 1) continue;
    kept[at] = ring[2 * i] ?? 0;
    kept[at + 1] = ring[2 * i + 1] ?? 0;
    at += 2;
  }
  return kept.slice(0, at);
}

function farthestFrom(ring: Float32Array, corner: number): number {
  const [x0, y0] = [ring[2 * corner] ?? 0, ring[2 * corner + 1] ?? 0];
  let far = corner;
  let most = -1;
  for (let i = 0; i < ring.length; i += 2) {
    const distance = ((ring[i] ?? 0) - x0) ** 2 + ((ring[i + 1] ?? 0) - y0) ** 2;
    if (distance > most) {
      most = distance;
      far = i / 2;
    }
  }
  return far;
}

/** The corner between two others that is farthest from the straight line through them, and how far that is. */
function farthestBetween(ring: Float32Array, from: number, to: number): readonly [number, number] {
  const last = (2 * to) % ring.length;
  const [x0, y0] = [ring[2 * from] ?? 0, ring[2 * from + 1] ?? 0];
  const [dx, dy] = [(ring[last] ?? 0) - x0, (ring[last + 1] ?? 0) - y0];
  const length = Math.hypot(dx, dy);
  let far = from;
  let most = 0;
  for (let i = from + 1; i < to; i += 1) {
    const [x, y] = [(ring[2 * i] ?? 0) - x0, (ring[2 * i + 1] ?? 0) - y0];
    const distance = length === 0 ? Math.hypot(x, y) : Math.abs(x * dy - y * dx) / length;
    if (distance > most) {
      most = distance;
      far = i;
    }
  }
  return [far, most];
}
