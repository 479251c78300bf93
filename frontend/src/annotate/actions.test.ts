import { QueryClient } from "@tanstack/react-query";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { decode, encode } from "@/masks/rle";
import { join } from "@/masks/spans";
import { decideSelected, goToUndecided, keepEdit, mergeSelected, type Scene, setClass, splitSelected, undo } from "./actions";
import type { Entry, Status } from "./api";
import { grouped, nextUndecided } from "./objects";
import { annotationsKey, type FrameSet } from "./queries";
import { outbox } from "./saving/session";
import { useView } from "./viewState";

// Nothing is answered: what is shown is what counts here.
vi.mock(import("./api"), async (original) => {
  const never = () => new Promise<never>(() => undefined);
  return { ...(await original()), edit: never, revert: never, draw: never, decide: never };
});

/** A mask of 4 x 8 pixels with these columns filled. */
const columns = (...filled: number[]) => encode(join(4, 8, filled.flatMap((x) => [4 * x, 4 * x + 4])));

let lastId = 0;

function entry(frameId: string, values: Partial<Entry> = {}): Entry {
  lastId += 1;
  return {
    id: String(lastId),
    frame_id: frameId,
    class_name: "cup",
    bbox_xyxy: [0, 0, 1, 4],
    segmentation: columns(0),
    confidence: 0.9,
    status: "proposed",
    source: "model",
    track_id: null,
    revision: 1,
    prompt: null,
    run_id: null,
    created_s: 0,
    created_by: null,
    changed_s: null,
    changed_by: null,
    ...values,
  };
}

/** Frames of their own for each test, since changes stay on their way. */
function scene(...frames: Entry[][]) {
  const ids = frames.map((entries, i) => entries[0]?.frame_id ?? `empty ${i}`);
  const client = new QueryClient();
  frames.forEach((entries, i) => client.setQueryData(annotationsKey(ids[i] ?? ""), entries));
  const count = (status: Status) => frames.map((entries) => entries.filter((one) => one.status === status).length);
  const rows = new Map(ids.map((id, i) => [id, i]));
  const table = { ids, video_ids: ids, indices: [], pts_s: [], mean_colours: "", n_accepted: count("accepted"), n_proposed: count("proposed") };
  const set: FrameSet = { ids, rows, places: rows, table };
  const frameId = ids[0] ?? "";
  const shown = () => outbox.view(frameId, frames[0] ?? []);
  const at = (): Scene & { go: ReturnType<typeof vi.fn>; say: ReturnType<typeof vi.fn> } => {
    const entries = shown();
    const view = grouped(entries, 0.5, []);
    return { client, set, frameId, entries, view, minScore: 0.5, unsaved: new Set(), go, say, firstUndecided: () => nextUndecided(view, undefined, new Set()) };
  };
  const go = vi.fn();
  const say = vi.fn();
  return { at, shown, go, say };
}

const select = (...ids: (string | undefined)[]) => useView.getState().select(ids.flatMap((id) => id ?? []));
const selected = () => useView.getState().selected;

beforeEach(() => useView.setState({ selected: [], currentClass: null }));

describe("accept", () => {
  it("goes to the next undecided object, and then to the next undecided frame", () => {
    const first = [entry("a1", { confidence: 0.6 }), entry("a1", { confidence: 0.7 })];
    const { at, shown, go } = scene(first, [entry("a2", { status: "accepted" })], [entry("a3")]);
    select(first[0]?.id);
    decideSelected(at(), "accepted");
    expect(selected()).toEqual([first[1]?.id]);
    expect(go).not.toHaveBeenCalled();
    decideSelected(at(), "rejected");
    expect(shown().map(({ status }) => status)).toEqual(["accepted", "rejected"]);
    expect(go).toHaveBeenCalledExactlyOnceWith("a3");
  });
});

describe("the next undecided frame", () => {
  it("has a proposal that is shown", () => {
    const { at, go } = scene([], [entry("b2", { confidence: 0.4 })], [entry("b3")]);
    goToUndecided(at());
    expect(go).toHaveBeenCalledExactlyOnceWith("b3");
  });
  it("is none when all is decided", () => {
    const { at, go, say } = scene([entry("c1")], [entry("c2", { status: "rejected" })]);
    goToUndecided(at());
    expect(go).not.toHaveBeenCalled();
    expect(say).toHaveBeenCalledWith("nothingLeft");
  });
});

describe("a new class", () => {
  it("is also that of what is drawn next", () => {
    const one = entry("d1");
    const { at, shown } = scene([one]);
    select(one.id);
    setClass(at(), "mug");
    expect(shown()[0]?.class_name).toBe("mug");
    expect(useView.getState().currentClass).toBe("mug");
  });
});

describe("an edit", () => {
  it("of a frame that is no longer shown stays there", () => {
    const [here, there] = [entry("e1"), entry("e2")];
    const { at, shown } = scene([here], [there]);
    keepEdit(at(), { kind: "mask", objectId: there.id, mask: columns(5), frameId: "e2" }, "cup", true);
    expect(shown()).toEqual([here]);
    expect(outbox.view("e2", [there])[0]?.segmentation).toEqual(columns(5));
    expect(outbox.view("e2", [there])[0]?.bbox_xyxy).toEqual([5, 0, 6, 4]);
  });
});

describe("merge and split", () => {
  it("are each other's reverse, and undone as one", () => {
    const entries = [entry("f1", { segmentation: columns(0) }), entry("f1", { segmentation: columns(4, 5) })];
    const { at, shown } = scene(entries);
    select(...entries.map(({ id }) => id));
    mergeSelected(at());
    expect(shown().map(({ status, segmentation }) => [status, segmentation])).toEqual([
      ["accepted", columns(0, 4, 5)],
      ["rejected", columns(4, 5)],
    ]);
    splitSelected(at());
    expect(shown().map(({ status, segmentation }) => [status, segmentation && [...decode(segmentation).bounds]])).toEqual([
      ["accepted", [16, 24]],
      ["rejected", [16, 24]],
      ["accepted", [0, 4]],
    ]);
    undo(at());
    undo(at());
    expect(shown().slice(0, 2)).toEqual(entries);
  });
});
