/**
 * Colours of classes, as #rrggbb.
 *
 * They were searched for so that any two differ by at least 0.078 in OKLab also for people who see no red, no green or
 * no blue (simulated after Machado et al. 2009), by 0.14 for others, and all stand out from black and from white.
 */
export const PALETTE: readonly string[] = [
  "#d0914a",
  "#7353fd",
  "#2ec8fe",
  "#c33979",
  "#2895b2",
  "#b0c620",
  "#988ffa",
  "#2ebd90",
  "#f752cc",
  "#348a17",
  "#ae2bca",
  "#f12d0a",
];

/** The colour of a class: a person's `own`, or one that depends on nothing but its name. */
export function colourOf(name: string, own: Readonly<Record<string, string>> = {}): string {
  return own[name] ?? colourAt(slotOf(name));
}

/**
 * The colours of classes that are shown together. Each has that of its name, unless a class before it in the alphabet
 * has it already: then it has the next one that is free, while there are any.
 */
export function coloursOf(names: Iterable<string>, own: Readonly<Record<string, string>> = {}): Map<string, string> {
  const colours = new Map<string, string>();
  const taken = new Set<number>();
  for (const name of [...new Set(names)].sort()) {
    let slot = slotOf(name);
    for (let i = 0; i < PALETTE.length && taken.has(slot); i += 1) slot = (slot + 1) % PALETTE.length;
    taken.add(slot);
    colours.set(name, own[name] ?? colourAt(slot));
  }
  return colours;
}

const colourAt = (slot: number) => PALETTE[slot] ?? "#d0914a";

/** FNV-1a of the name. */
function slotOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0) % PALETTE.length;
}
