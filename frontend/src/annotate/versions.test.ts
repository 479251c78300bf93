// @vitest-environment node
import { expect, it } from "vitest";
import type { Entry, FormerState } from "./api";
import { versionsOf } from "./versions";

const state: FormerState = {
  revision: 1,
  class_name: "cup",
  status: "proposed",
  source: "model",
  bbox_xyxy: [0, 0, 1, 1],
  segmentation: { size: [2, 2], counts: "a" },
  confidence: 0.5,
  track_id: null,
  changed_s: 20,
  changed_by: "Aiko",
};

const entry: Entry = {
  ...state,
  id: "1",
  frame_id: "1",
  revision: 3,
  class_name: "mug",
  status: "accepted",
  source: "person",
  segmentation: { size: [2, 2], counts: "b" },
  prompt: "cup",
  run_id: "1",
  created_s: 10,
  created_by: null,
  changed_s: 30,
  changed_by: null,
};

it("tells who made each revision, and what was changed", () => {
  const former = [state, { ...state, revision: 2, status: "accepted" as const, changed_s: 30, changed_by: null }];
  expect(versionsOf(entry, former).map(({ revision, by, at_s, changes, isCurrent }) => [revision, by, at_s, changes.join(), isCurrent])).toEqual([
    [3, null, 30, "class,shape", true],
    [2, "Aiko", 20, "accepted", false],
    [1, null, 10, "found", false],
  ]);
});
