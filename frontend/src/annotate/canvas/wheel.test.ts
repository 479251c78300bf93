// @vitest-environment node
import { describe, expect, it } from "vitest";
import { brushStep, wishOf, type WheelLike } from "./wheel";

const wheel = (event: Partial<WheelLike>): WheelLike => ({ deltaX: 0, deltaY: 0, deltaMode: 0, ctrlKey: false, shiftKey: false, ...event });

describe("wishOf", () => {
  it("zooms by the notches of a wheel", () => {
    expect(wishOf(wheel({ deltaY: -100 }), false)).toEqual({ kind: "zoom", factor: Math.exp(0.25) });
    expect(wishOf(wheel({ deltaY: 3, deltaMode: 1 }), true)).toMatchObject({ kind: "zoom", factor: Math.exp(-90 / 400) });
  });
  it("pans by two fingers", () => {
    expect(wishOf(wheel({ deltaX: 4, deltaY: -7.5 }), true)).toEqual({ kind: "pan", dx: -4, dy: 7.5 });
  });
  it("zooms by a pinch, also with a brush in hand", () => {
    expect(wishOf(wheel({ deltaY: -5.5, ctrlKey: true }), true)).toMatchObject({ kind: "zoom" });
  });
  it("changes the size of the brush by a wheel with Ctrl", () => {
    expect(wishOf(wheel({ deltaY: -100, ctrlKey: true }), true)).toEqual({ kind: "size", steps: 1 });
    expect(wishOf(wheel({ deltaY: -100, ctrlKey: true }), false)).toMatchObject({ kind: "zoom" });
  });
  it("pans sideways by a wheel with Shift", () => {
    expect(wishOf(wheel({ deltaY: 100, shiftKey: true }), false)).toEqual({ kind: "pan", dx: -100, dy: 0 });
  });
});

describe("brushStep", () => {
  it("grows and shrinks, by a pixel at least, within bounds", () => {
    expect([brushStep(1, 1), brushStep(50, 1), brushStep(50, -1), brushStep(1, -1), brushStep(499, 1)]).toEqual([2, 60, 42, 1, 500]);
  });
});
