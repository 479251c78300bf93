/** Sets of frames that one page hands to another: too many for an address, so this tab keeps them under a key. */

const KEPT = "komadori.frames.";
const KEPT_SETS = 20;

/** Keep a set of frames, and forget the oldest sets: its key. */
export function keepFrames(frameIds: readonly string[]): string {
  const kept = Object.keys(sessionStorage)
    .filter((name) => name.startsWith(KEPT))
    .map((name) => Number(name.slice(KEPT.length)))
    .sort((a, b) => a - b);
  const key = (kept.at(-1) ?? 0) + 1;
  for (const old of kept.slice(0, Math.max(0, kept.length + 1 - KEPT_SETS))) sessionStorage.removeItem(`${KEPT}${old}`);
  sessionStorage.setItem(`${KEPT}${key}`, JSON.stringify(frameIds));
  return String(key);
}

/** The frames that are kept under a key, in their order; null when this tab has none. */
export function keptFrames(key: string): readonly string[] | null {
  const text = sessionStorage.getItem(`${KEPT}${key}`);
  return text === null ? null : (JSON.parse(text) as string[]);
}
