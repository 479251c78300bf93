import { beforeEach, expect, it } from "vitest";
import { keepFrames, keptFrames } from "./frameSets";

beforeEach(() => sessionStorage.clear());

it("keeps the order", () => {
  expect(keptFrames(keepFrames(["3", "1", "2"]))).toEqual(["3", "1", "2"]);
});

it("knows nothing under the key of another tab", () => {
  expect(keptFrames("7")).toBeNull();
});

it("forgets the oldest sets", () => {
  const keys = Array.from({ length: 21 }, (_, i) => keepFrames([String(i)]));
  expect(keys.map(keptFrames).map((ids) => ids?.[0] ?? null)).toEqual([null, ...Array.from({ length: 20 }, (_, i) => String(i + 1))]);
});
