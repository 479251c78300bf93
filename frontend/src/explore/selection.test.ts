import { describe, expect, it } from "vitest";
import { everything, NOTHING, only, toggled, upTo } from "./selection";

const ORDER = ["5", "3", "9", "1"];

describe("a selection", () => {
  it("takes a range from the anchor, forwards and backwards", () => {
    const begun = only("9");
    expect([...upTo(begun, "1", ORDER).ids]).toEqual(["9", "1"]);
    expect([...upTo(upTo(begun, "1", ORDER), "5", ORDER).ids]).toEqual(["5", "3", "9"]);
  });
  it("begins a range where nothing was before", () => {
    expect(upTo(NOTHING, "3", ORDER)).toEqual(only("3"));
  });
  it("begins anew when the anchor is not shown any more", () => {
    expect(upTo(only("77"), "3", ORDER)).toEqual(only("3"));
  });
  it("toggles", () => {
    expect([...toggled(toggled(only("5"), "1"), "5").ids]).toEqual(["1"]);
  });
  it("takes all", () => {
    expect(everything(ORDER).ids.size).toBe(4);
  });
});
