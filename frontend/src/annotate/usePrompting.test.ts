import { act, renderHook } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Problem } from "@/api/problem";
import type { CocoRle } from "@/masks/types";
import { refine } from "./api";
import { usePrompting } from "./usePrompting";

vi.mock(import("./api"), async (original) => ({ ...(await original()), refine: vi.fn() }));

const mask = (counts: string): CocoRle => ({ size: [4, 4], counts });
const point = { x: 1, y: 2, isPositive: true };

/** Answers that a test gives when it wants to. */
let answers: { resolve: (mask: CocoRle) => void; reject: (error: unknown) => void; signal: AbortSignal }[] = [];

beforeEach(() => {
  answers = [];
  vi.mocked(refine).mockReset();
  vi.mocked(refine).mockImplementation((_frame, _points, _box, _id, signal) => new Promise((resolve, reject) => answers.push({ resolve, reject, signal })));
});

function setup() {
  const onEdit = vi.fn();
  const onProblem = vi.fn();
  const objectBox = [0, 0, 4, 4] as const;
  const hook = renderHook((props: { frameId: string; objectId: string | null }) => usePrompting({ ...props, objectBox, isOn: true, onEdit, onProblem }), {
    initialProps: { frameId: "1", objectId: "5" as string | null },
  });
  const click = () => act(async () => hook.result.current.addPoint(point));
  const answer = (i: number, counts: string) => act(async () => answers[i]?.resolve(mask(counts)));
  return { hook, click, answer, onEdit, onProblem };
}

describe("points", () => {
  it("are asked together, beginning with the object's mask", async () => {
    const { hook, click } = setup();
    await click();
    await act(async () => hook.result.current.addPoint({ ...point, isPositive: false }));
    expect(vi.mocked(refine).mock.calls[1]?.slice(0, 4)).toEqual(["1", [point, { ...point, isPositive: false }], null, "5"]);
  });

  it("begin a new object far from the selected one, and stay with it", async () => {
    const { hook, answer, onEdit } = setup();
    await act(async () => hook.result.current.addPoint({ x: 20, y: 2, isPositive: true }));
    await act(async () => hook.result.current.addPoint(point));
    await answer(1, "a");
    act(() => void hook.result.current.commit());
    expect(onEdit).toHaveBeenCalledExactlyOnceWith({ kind: "mask", objectId: null, mask: mask("a"), frameId: "1" }, false);
  });

  it("far from the selected object say what does not belong to it", async () => {
    const { hook } = setup();
    await act(async () => hook.result.current.addPoint({ x: 20, y: 2, isPositive: false }));
    expect(vi.mocked(refine).mock.calls[0]?.[3]).toBe("5");
  });

  it("show the newest answer only", async () => {
    const { hook, click, answer } = setup();
    await click();
    await click();
    await answer(1, "new");
    await answer(0, "old");
    expect(hook.result.current.shown?.preview?.counts).toBe("new");
    expect(answers[0]?.signal.aborted).toBe(true);
  });

  it("become an edit of the same object", async () => {
    const { hook, click, answer, onEdit } = setup();
    await click();
    await answer(0, "a");
    act(() => void hook.result.current.commit());
    expect(onEdit).toHaveBeenCalledExactlyOnceWith({ kind: "mask", objectId: "5", mask: mask("a"), frameId: "1" }, false);
    expect(hook.result.current.shown).toBeNull();
  });

  it("are dropped with their mask", async () => {
    const { hook, click, answer, onEdit } = setup();
    await click();
    await answer(0, "a");
    act(() => void hook.result.current.cancel());
    expect(onEdit).not.toHaveBeenCalled();
    expect(hook.result.current.shown).toBeNull();
  });

  it("stay with their own frame when one goes on", async () => {
    const { hook, click, answer, onEdit } = setup();
    await click();
    await answer(0, "a");
    hook.rerender({ frameId: "2", objectId: null });
    expect(onEdit).toHaveBeenCalledExactlyOnceWith({ kind: "mask", objectId: "5", mask: mask("a"), frameId: "1" }, true);
  });

  it("say why there is no answer, and go away without a mask", async () => {
    const { hook, click, onProblem } = setup();
    await click();
    const problem = new Problem(503, "no-click-model", "", "");
    await act(async () => answers[0]?.reject(problem));
    expect(onProblem).toHaveBeenCalledExactlyOnceWith(problem);
    expect(hook.result.current.shown).toBeNull();
  });
});
