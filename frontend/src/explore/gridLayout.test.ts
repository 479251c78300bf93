import { describe, expect, it } from "vitest";
import { layoutOf, MAX_SCROLL_HEIGHT, scrollToRow, viewAt } from "./gridLayout";

const VIEW = 800;

describe("the grid", () => {
  it("fills the width with tiles of at least the wished width", () => {
    const layout = layoutOf(10, 1000, 180);
    expect(layout.nColumns).toBe(5);
    expect(layout.tileWidth).toBeCloseTo((1000 - 4 * 8) / 5);
    expect(layout.nRows).toBe(2);
  });

  it("makes few rows of many", () => {
    const layout = layoutOf(10_000, 1400, 180);
    const view = viewAt(layout, layout.scrollHeight / 2, VIEW);
    expect((view.endRow - view.firstRow) * layout.nColumns).toBeLessThanOrEqual(200);
    expect(view.firstRow).toBeGreaterThan(layout.nRows / 2 - 10);
  });

  it.each([1_000, 5_000_000])("reaches the last row of %d frames", (n) => {
    const layout = layoutOf(n, 1400, 180);
    const view = viewAt(layout, layout.scrollHeight - VIEW, VIEW);
    expect(view.endRow).toBe(layout.nRows);
    expect(layout.scrollHeight).toBeLessThanOrEqual(MAX_SCROLL_HEIGHT);
    const bottomOfLast = view.top + (layout.nRows - view.firstRow) * layout.rowHeight;
    expect(bottomOfLast).toBeCloseTo(layout.scrollHeight, 3);
  });

  it.each([1_000, 5_000_000])("scrolls to any row of %d frames", (n) => {
    const layout = layoutOf(n, 1400, 180);
    const row = Math.floor(layout.nRows * 0.7);
    const scrollTop = scrollToRow(layout, row, 0, VIEW);
    const view = viewAt(layout, scrollTop, VIEW);
    const topOfRow = view.top + (row - view.firstRow) * layout.rowHeight - scrollTop;
    expect(topOfRow).toBeGreaterThanOrEqual(-1);
    expect(topOfRow + layout.rowHeight).toBeLessThanOrEqual(VIEW + 1);
  });

  it("stays where it is when the row is seen", () => {
    expect(scrollToRow(layoutOf(1000, 1400, 180), 2, 10, VIEW)).toBe(10);
  });
});
