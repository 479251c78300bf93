// @vitest-environment node
import { describe, expect, it } from "vitest";
import { colourOf, coloursOf, PALETTE } from "./palette";

type Colour = readonly [number, number, number];
type Matrix = readonly [Colour, Colour, Colour];

const times = (matrix: Matrix, [a, b, c]: Colour) => matrix.map(([x, y, z]) => x * a + y * b + z * c) as [number, number, number];

/** Red, green and blue in proportion to the light. */
function light(colour: string): Colour {
  const channel = (at: number) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

/** The relative luminance of WCAG 2. */
function luminance(colour: string): number {
  const [r, g, b] = light(colour);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** As Björn Ottosson defines it (2020). */
function oklab(colour: Colour): Colour {
  const cones = times([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]], colour);
  const [l, m, s] = cones.map(Math.cbrt);
  return times([[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [0.0259040371, 0.7827717662, -0.808675766]], [l ?? 0, m ?? 0, s ?? 0]);
}

/** What is left of colours, after Machado, Oliveira and Fernandes (2009). */
const SIGHTS: readonly (readonly [string, Matrix, number])[] = [
  ["all colours", [[1, 0, 0], [0, 1, 0], [0, 0, 1]], 0.14],
  ["no red", [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]], 0.078],
  ["no green", [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]], 0.078],
  ["no blue", [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]], 0.078],
];

describe("the palette", () => {
  it("has twelve colours", () => {
    expect(new Set(PALETTE).size).toBe(12);
  });
  it.each(SIGHTS)("has no two colours alike for those who see %s", (_, sight, least) => {
    const seen = PALETTE.map((colour) => {
      const [r, g, b] = times(sight, light(colour)).map((value) => Math.min(1, Math.max(0, value)));
      return oklab([r ?? 0, g ?? 0, b ?? 0]);
    });
    const distances = seen.flatMap((a, i) => seen.slice(i + 1).map((b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])));
    expect(Math.min(...distances)).toBeGreaterThan(least);
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
