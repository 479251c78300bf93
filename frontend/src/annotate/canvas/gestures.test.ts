// @vitest-environment node
import { describe, expect, it } from "vitest";
import { rowsOf, spansOf } from "../../../tests/support/bitmaps";
import { decode } from "@/masks/rle";
import { emptySpans, type Spans } from "@/masks/spans";
import { BoxDrag, Polygon, Stroke, type Gesture, type Subject } from "./gestures";

const subject = (spans: Spans, objectId: string | null = "1"): Subject => ({ frameId: "f", objectId, spans });

/** The rows of the mask that a gesture came to, or what it came to if that is no mask. */
function outcome(gesture: Gesture) {
  const edit = gesture.finish();
  return edit?.kind === "mask" ? rowsOf(decode(edit.mask)) : edit;
}

describe("a stroke of the brush", () => {
  it("covers all that lies between two reports of the pointer", () => {
    const stroke = new Stroke(subject(emptySpans(3, 6)), { x: 0.4, y: 1.2 }, 1, false);
    stroke.move({ x: 5.5, y: 1.5 });
    expect(outcome(stroke)).toEqual(["......", "######", "......"]);
  });
  it("is round at even sizes, too", () => {
    expect(outcome(new Stroke(subject(emptySpans(4, 4)), { x: 2.2, y: 1.9 }, 4, false))).toEqual([".##.", "####", "####", ".##."]);
  });
  it("adds to what is there and names its frame and object", () => {
    const stroke = new Stroke(subject(spansOf(["#..", "..."])), { x: 2.5, y: 1.5 }, 1, false);
    const edit = stroke.finish();
    expect(edit).toMatchObject({ kind: "mask", objectId: "1", frameId: "f" });
    expect(outcome(stroke)).toEqual(["#..", "..#"]);
  });
  it("over what is there already is no edit", () => {
    expect(outcome(new Stroke(subject(spansOf(["##"])), { x: 0.5, y: 0.5 }, 1, false))).toBeNull();
  });
  it("outside the frame is no edit", () => {
    expect(outcome(new Stroke(subject(emptySpans(2, 2), null), { x: 9, y: 9 }, 3, false))).toBeNull();
  });
});

describe("a stroke of the eraser", () => {
  it("takes away what it covers", () => {
    expect(outcome(new Stroke(subject(spansOf(["###"])), { x: 1.5, y: 0.5 }, 1, true))).toEqual(["#.#"]);
  });
  it("over the last pixel is no edit", () => {
    expect(outcome(new Stroke(subject(spansOf(["#."])), { x: 0.5, y: 0.5 }, 1, true))).toBeNull();
  });
});

describe("a polygon", () => {
  const drawn = (...corners: [number, number][]) => {
    const [[x, y] = [0, 0], ...others] = corners;
    const polygon = new Polygon(subject(emptySpans(4, 4)), { x, y });
    return { polygon, closed: others.map(([cornerX, cornerY]) => polygon.press({ x: cornerX, y: cornerY }, 0.5)) };
  };
  it("is closed by its first corner, after three at least", () => {
    expect(drawn([0, 0], [0.1, 0], [4, 0], [0, 4], [0.2, 0.2]).closed).toEqual([false, false, false, true]);
  });
  it("fills what lies inside", () => {
    expect(outcome(drawn([0, 0], [4, 0], [0, 4]).polygon)).toEqual(["###.", "##..", "#...", "...."]);
  });
  it("of two corners is no edit", () => {
    expect(outcome(drawn([0, 0], [4, 0]).polygon)).toBeNull();
  });
  it("gives its last corner back", () => {
    const { polygon } = drawn([0, 0], [4, 0], [0, 4], [4, 4]);
    expect(polygon.back()).toBe(true);
    expect(outcome(polygon)).toEqual(["###.", "##..", "#...", "...."]);
  });
  it("says when no corner is left", () => {
    expect(drawn([1, 1]).polygon.back()).toBe(false);
  });
});

describe("a box", () => {
  it("is drawn between two corners, in whole pixels inside the frame", () => {
    const drag = new BoxDrag(subject(emptySpans(10, 20), null), { x: 8.4, y: 7.6 }, { x: 8, y: 8 });
    drag.move({ x: -3, y: 30 });
    expect(drag.finish()).toEqual({ kind: "box", objectId: null, bbox: [0, 8, 8, 10], frameId: "f" });
  });
  it("without a width is no edit", () => {
    expect(new BoxDrag(subject(emptySpans(10, 20), null), { x: 3, y: 3 }, { x: 3.2, y: 9 }).finish()).toBeNull();
  });
  it("keeps the sides that are not pulled as they were", () => {
    const drag = BoxDrag.pulling(subject(emptySpans(10, 20)), [1.5, 2.25, 8, 9], { x: 2, y: null }, { x: 8, y: 5 });
    drag.move({ x: 12.2, y: 1 });
    expect(drag.finish()).toMatchObject({ objectId: "1", bbox: [2, 2.25, 12, 9] });
  });
  it("may be turned inside out", () => {
    const drag = BoxDrag.pulling(subject(emptySpans(10, 20)), [4, 2, 8, 9], { x: 0, y: 1 }, { x: 4, y: 2 });
    drag.move({ x: 12, y: 1 });
    expect(drag.finish()).toMatchObject({ bbox: [8, 1, 12, 9] });
  });
  it("that was only taken hold of is no edit", () => {
    expect(BoxDrag.pulling(subject(emptySpans(10, 20)), [4, 2, 8, 9], { x: 0, y: 1 }, { x: 4, y: 2 }).finish()).toBeNull();
  });
});
