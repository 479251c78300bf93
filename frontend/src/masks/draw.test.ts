// @vitest-environment node
import { describe, expect, it } from "vitest";
import { randomOf, rowsOf } from "../../tests/support/bitmaps";
import { polygon, sweep } from "./draw";

/** How far a position is from the way between two others. */
function distance(x: number, y: number, a: { x: number; y: number }, b: { x: number; y: number }): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const along = Math.min(1, Math.max(0, ((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - a.x - along * dx, y - a.y - along * dy);
}

describe("sweep", () => {
  it("is one pixel for a brush of one pixel", () => {
    expect(rowsOf(sweep(3, 4, { x: 1.5, y: 1.5 }, { x: 1.5, y: 1.5 }, 1))).toEqual(["....", ".#..", "...."]);
  });
  it("covers the pixels whose middle is within reach of the way, and no others", () => {
    const random = randomOf(7);
    const anywhere = () => ({ x: random() * 18 - 2, y: random() * 14 - 2 });
    for (let i = 0; i < 200; i += 1) {
      const [a, b, size] = [anywhere(), anywhere(), 1 + random() * 8];
      const rows = Array.from({ length: 10 }, (_, y) =>
        Array.from({ length: 14 }, (__, x) => (distance(x + 0.5, y + 0.5, a, b) <= size / 2 ? "#" : ".")).join(""),
      );
      expect(rowsOf(sweep(10, 14, a, b, size))).toEqual(rows);
    }
  });
});

describe("polygon", () => {
  it("covers the pixels whose middle is inside", () => {
    const corners = [
      { x: 0, y: 0 },
      { x: 4, y: 0 },
      { x: 0, y: 4 },
    ];
    expect(rowsOf(polygon(4, 4, corners))).toEqual(["###.", "##..", "#...", "...."]);
  });
  it("is cut at the edges of the picture", () => {
    const corners = [
      { x: -5, y: -5 },
      { x: 9, y: -5 },
      { x: 9, y: 9 },
      { x: -5, y: 9 },
    ];
    expect(rowsOf(polygon(2, 3, corners))).toEqual(["###", "###"]);
  });
});
