import { describe, expect, it } from "vitest";
import { ACTIONS } from "./actions";
import { parseKeys, shown, strokeOf } from "./strokes";

const press = (key: string, held: Partial<Record<"ctrlKey" | "altKey" | "shiftKey" | "metaKey", boolean>> = {}) =>
  strokeOf({ key, ctrlKey: false, altKey: false, shiftKey: false, metaKey: false, ...held });

describe("strokeOf", () => {
  it("names modifiers in a fixed order", () => {
    expect(press("Z", { ctrlKey: true, shiftKey: true })).toBe("Mod+Shift+z");
  });
  it("leaves Shift out where it is part of the character", () => {
    expect(press("?", { shiftKey: true })).toBe("?");
  });
  it("keeps Shift with keys that have names", () => {
    expect(press("Tab", { shiftKey: true })).toBe("Shift+Tab");
  });
  it("calls the space bar by its name", () => {
    expect(press(" ")).toBe("Space");
  });
});

describe("parseKeys", () => {
  it("knows alternatives and sequences", () => {
    expect(parseKeys("n | ArrowRight")).toEqual([["n"], ["ArrowRight"]]);
    expect(parseKeys("g l")).toEqual([["g", "l"]]);
  });
});

describe("shown", () => {
  it("reads as on a keyboard", () => {
    expect(shown("Mod+Shift+z")).toBe("Ctrl+Shift+Z");
    expect(shown("+")).toBe("+");
  });
});

describe("the default keys", () => {
  it.each(["explore", "annotate"] as const)("have one meaning each on the page %s", (scope) => {
    const strokes = ACTIONS.filter((action) => action.scope === scope || action.scope === "any").flatMap((action) =>
      parseKeys(action.keys).map((sequence) => sequence.join(" ")),
    );
    expect(strokes.filter((stroke, i) => strokes.indexOf(stroke) !== i)).toEqual([]);
    const begun = strokes.filter((stroke) => strokes.some((other) => other !== stroke && other.startsWith(`${stroke} `)));
    expect(begun).toEqual([]);
  });
});
