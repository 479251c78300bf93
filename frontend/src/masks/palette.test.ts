import { describe, expect, it } from "vitest";
import { colourOf, coloursOf, PALETTE } from "./palette";

/** The relative luminance of WCAG 2. */
function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

describe("the palette", () => {
  it("has twelve colours", () => {
    expect(new Set(PALETTE).size).toBe(12);
  });
  it.each(PALETTE)("stands out from black and from white: %s", (colour) => {
    expect((luminance(colour) + 0.05) / 0.05).toBeGreaterThan(3.9);
    expect(1.05 / (luminance(colour) + 0.05)).toBeGreaterThan(1.9);
  });
});

describe("colourOf", () => {
  it("is the same for a name at any time", () => {
    expect(["forklift", "red cup", "赤いカップ"].map((name) => colourOf(name))).toEqual(["#f752cc", "#2895b2", "#2895b2"]);
  });
  it("is a person's own where there is one", () => {
    expect(colourOf("forklift", { forklift: "#123456" })).toBe("#123456");
  });
});

describe("coloursOf", () => {
  it("gives no two of up to twelve classes the same colour", () => {
    const names = Array.from({ length: 12 }, (_, i) => `class ${i}`);
    expect(new Set(coloursOf(names).values()).size).toBe(12);
  });
  it("gives colours to more classes than there are colours", () => {
    expect(coloursOf(Array.from({ length: 30 }, (_, i) => `class ${i}`)).size).toBe(30);
  });
});
