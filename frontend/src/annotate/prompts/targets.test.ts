// @vitest-environment node
import { describe, expect, it } from "vitest";
import type { FrameSet } from "../queries";
import { walkOf } from "../urlState";
import { scopesOf, spread } from "./targets";

const ids = (n: number) => Array.from({ length: n }, (_, i) => String(i + 1));

describe("spread", () => {
  it("begins with the current frame and covers the rest evenly", () => {
    expect(spread(ids(41), "1", 5)).toEqual(["1", "7", "17", "27", "37"]);
  });
  it("takes all of a small set, each once", () => {
    expect(spread(ids(3), "2", 5).sort()).toEqual(["1", "2", "3"]);
  });
  it("is the current frame alone where there is no other", () => {
    expect(spread(["4"], "4", 5)).toEqual(["4"]);
  });
});

describe("scopesOf", () => {
  const table = { ids: ids(12_001), video_ids: [], indices: [], pts_s: [], mean_colours: "", n_accepted: [], n_proposed: [] };
  const set = (own: readonly string[]): FrameSet => ({ ids: own, table, rows: new Map(), places: new Map() });
  it("names no frames where all are meant", () => {
    expect(scopesOf("set", walkOf(new URLSearchParams()), set(table.ids), "1", "9")).toEqual([{}]);
    expect(scopesOf("set", walkOf(new URLSearchParams("video=9")), set(table.ids), "1", "9")).toEqual([{ video_id: "9" }]);
  });
  it("names a selection in requests of 10,000", () => {
    const scopes = scopesOf("set", walkOf(new URLSearchParams("set=1")), set(ids(12_000)), "1", "9");
    expect(scopes.map((scope) => scope.frame_ids?.length)).toEqual([10_000, 2_000]);
  });
});
