// @vitest-environment node
import { describe, expect, it } from "vitest";
import { fitted, panned, revealing, toFrame, zoomed } from "./view";

const frame = { width: 1920, height: 1080 };
const shown = { width: 984, height: 600 };

describe("fitted", () => {
  it("shows the whole frame in the middle", () => {
    expect(fitted(frame, shown)).toEqual({ scale: 0.5, x: 12, y: 30 });
  });
  it("does not blow up a small frame", () => {
    expect(fitted({ width: 20, height: 10 }, shown).scale).toBe(4);
  });
});

describe("zoomed", () => {
  it("keeps what is at the pointer where it is", () => {
    const view = fitted(frame, shown);
    const at = { x: 300, y: 200 };
    const after = zoomed(view, 3, at, frame, shown);
    expect(toFrame(after, at).x).toBeCloseTo(toFrame(view, at).x, 9);
    expect(toFrame(after, at).y).toBeCloseTo(toFrame(view, at).y, 9);
  });
  it.each([
    [1000, 40],
    [0.001, 0.25],
  ])("by %d ends at a scale of %d", (factor, scale) => {
    expect(zoomed(fitted(frame, shown), factor, { x: 0, y: 0 }, frame, shown).scale).toBe(scale);
  });
});

describe("panned", () => {
  it("leaves some of the frame in sight", () => {
    const { x, y } = panned(fitted(frame, shown), 9999, -9999, frame, shown);
    expect({ x, bottom: y + 540 }).toEqual({ x: 984 - 48, bottom: 48 });
  });
});

describe("revealing", () => {
  const view = { scale: 4, x: -2000, y: -1000 };
  it("leaves the view as it is when some of the box is in sight", () => {
    expect(revealing(view, [490, 240, 510, 260], frame, shown)).toBe(view);
  });
  it("brings a box that is out of sight to the middle", () => {
    const after = revealing(view, [1000, 700, 1100, 800], frame, shown);
    expect(toFrame(after, { x: shown.width / 2, y: shown.height / 2 })).toEqual({ x: 1050, y: 750 });
  });
});
