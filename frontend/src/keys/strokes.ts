/** How keys are written, and how key events are told apart. */

const IS_MAC = typeof navigator !== "undefined" && /Mac|iP(hone|ad)/.test(navigator.platform);

export interface KeyLike {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
}

/**
 * A key with its modifiers as it stands in a binding: "Mod+Shift+z", "Escape", "?".
 *
 * Shift is named with letters and with keys that have names; with others it is part of the character.
 */
export function strokeOf(event: KeyLike): string {
  const key = event.key === " " ? "Space" : event.key;
  const isLetter = key.length === 1 && key.toLowerCase() !== key.toUpperCase();
  const parts: string[] = [];
  if (IS_MAC ? event.metaKey : event.ctrlKey) parts.push("Mod");
  if (event.altKey) parts.push("Alt");
  if (event.shiftKey && (isLetter || key.length > 1)) parts.push("Shift");
  parts.push(isLetter ? key.toLowerCase() : key);
  return parts.join("+");
}

/** The alternatives of a binding, each a list of strokes that follow each other. */
export function parseKeys(keys: string): string[][] {
  return keys
    .split(" | ")
    .map((alternative) => alternative.split(" ").filter((stroke) => stroke !== ""))
    .filter((strokes) => strokes.length > 0);
}

const SHOWN: Readonly<Record<string, string>> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
  Delete: "Del",
  Mod: IS_MAC ? "⌘" : "Ctrl",
};

/** A stroke as people read it: "Ctrl+Shift+Z". */
export function shown(stroke: string): string {
  if (stroke === "+") return "+";
  return stroke
    .split("+")
    .map((part) => SHOWN[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join("+");
}
