// @vitest-environment node
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { sparingly } from "./sparingly";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it("acts on the first and on the last news of a burst", () => {
  const acted: string[] = [];
  const { ask } = sparingly(1_000, (key) => acted.push(key));
  for (let i = 0; i < 10; i += 1) ask("a");
  expect(acted).toEqual(["a"]);
  vi.advanceTimersByTime(1_000);
  expect(acted).toEqual(["a", "a"]);
  vi.advanceTimersByTime(10_000);
  expect(acted).toEqual(["a", "a"]);
});

it("keeps keys apart, and does nothing after the end", () => {
  const acted: string[] = [];
  const { ask, stop } = sparingly(1_000, (key) => acted.push(key));
  ask("a");
  ask("b");
  ask("a");
  stop();
  vi.advanceTimersByTime(10_000);
  expect(acted).toEqual(["a", "b"]);
});
