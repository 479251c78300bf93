// @vitest-environment node
import { describe, expect, it } from "vitest";
import type { Entry, Status } from "./api";
import { grouped, inOrder, neighbour, nextUndecided, sortedClasses } from "./objects";

function entry(id: string, className: string, confidence: number | null, status: Status = "proposed"): Entry {
  return {
    id,
    frame_id: "1",
    class_name: className,
    bbox_xyxy: [0, 0, 1, 1],
    segmentation: null,
    confidence,
    status,
    source: confidence === null ? "person" : "model",
    track_id: null,
    revision: 1,
    prompt: null,
    run_id: null,
    created_s: 0,
    created_by: null,
    changed_s: null,
    changed_by: null,
  };
}

const entries = [
  entry("1", "cup", 0.9),
  entry("2", "cup", 0.4),
  entry("3", "cat", 0.6, "accepted"),
  entry("4", "cup", null, "accepted"),
  entry("5", "cup", 0.55),
  entry("6", "cat", 0.8, "rejected"),
  entry("7", "cat", 0.2, "accepted"),
];

describe("grouped", () => {
  const view = grouped(entries, 0.5, ["cup"]);
  it("lists the least certain first, and drawn objects last", () => {
    expect(inOrder(view)).toEqual(["5", "1", "4", "7", "3"]);
  });
  it("hides proposals below the score, but nothing that was accepted", () => {
    expect(view.nBelow).toBe(1);
    expect(view.groups.map(({ className, nAccepted, nProposed, nBelow }) => [className, nAccepted, nProposed, nBelow])).toEqual([
      ["cup", 1, 2, 1],
      ["cat", 2, 0, 0],
    ]);
  });
  it("keeps the rejected apart", () => {
    expect(view.rejected.map(({ id }) => id)).toEqual(["6"]);
  });
});

describe("nextUndecided", () => {
  const view = grouped(entries, 0, ["cup"]);
  it("goes on below, and around the end", () => {
    expect(nextUndecided(view, "2", new Set())).toBe("5");
    expect(nextUndecided(view, "1", new Set(["1"]))).toBe("2");
  });
  it("knows when all is decided", () => {
    expect(nextUndecided(view, "2", new Set(["1", "2", "5"]))).toBeNull();
  });
});

describe("neighbour", () => {
  it("goes around both ends", () => {
    expect(neighbour(["a", "b", "c"], "c", 1)).toBe("a");
    expect(neighbour(["a", "b", "c"], "a", -1)).toBe("c");
  });
  it("begins at an end", () => {
    expect([neighbour(["a", "b"], undefined, 1), neighbour(["a", "b"], "x", -1), neighbour([], "a", 1)]).toEqual(["a", "b", null]);
  });
});

describe("sortedClasses", () => {
  it("puts prompts first", () => {
    expect(sortedClasses(["b", "a", "c", "a"], ["c", "x", "b"])).toEqual(["c", "b", "a"]);
  });
});
