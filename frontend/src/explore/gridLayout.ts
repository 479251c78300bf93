/** Where tiles stand in a grid of which only the visible rows exist. */

export const GAP = 8;
export const CAPTION = 24;

/** Browsers cut off elements higher than some 16 to 33 million pixels; above this the scroll position is scaled. */
export const MAX_SCROLL_HEIGHT = 8_000_000;

const OVERSCAN_ROWS = 2;

export interface GridLayout {
  readonly nColumns: number;
  readonly nRows: number;
  readonly tileWidth: number;
  /** Including the gap below. */
  readonly rowHeight: number;
  /** Of all rows, and of the element that scrolls. */
  readonly height: number;
  readonly scrollHeight: number;
}

/** Tiles of at least `wishedWidth` that fill the width. `aspect` is width / height of the pictures. */
export function layoutOf(n: number, width: number, wishedWidth: number, aspect = 16 / 9): GridLayout {
  const nColumns = Math.max(1, Math.floor((width + GAP) / (wishedWidth + GAP)));
  const tileWidth = Math.max(1, (width - GAP * (nColumns - 1)) / nColumns);
  const rowHeight = Math.round(tileWidth / aspect) + CAPTION + GAP;
  const nRows = Math.ceil(n / nColumns);
  const height = nRows * rowHeight;
  return { nColumns, nRows, tileWidth, rowHeight, height, scrollHeight: Math.min(height, MAX_SCROLL_HEIGHT) };
}

export interface View {
  readonly firstRow: number;
  /** The row after the last. */
  readonly endRow: number;
  /** Where the first row stands in the element that scrolls. */
  readonly top: number;
}

/** The rows that are seen, and some around them. */
export function viewAt(layout: GridLayout, scrollTop: number, viewHeight: number): View {
  const offset = offsetAt(layout, scrollTop, viewHeight);
  const firstRow = Math.max(0, Math.floor(offset / layout.rowHeight) - OVERSCAN_ROWS);
  const endRow = Math.min(layout.nRows, Math.ceil((offset + viewHeight) / layout.rowHeight) + OVERSCAN_ROWS);
  return { firstRow, endRow, top: firstRow * layout.rowHeight - offset + scrollTop };
}

/** Where to scroll so that a row is wholly seen; the present position when it is already. */
export function scrollToRow(layout: GridLayout, row: number, scrollTop: number, viewHeight: number): number {
  const offset = offsetAt(layout, scrollTop, viewHeight);
  const top = row * layout.rowHeight;
  const bottom = top + layout.rowHeight;
  if (top >= offset && bottom <= offset + viewHeight) return scrollTop;
  const wished = top < offset ? top : bottom - viewHeight;
  return wished / scaleOf(layout, viewHeight);
}

/** The position among all rows that a position of the scroll bar stands for. */
function offsetAt(layout: GridLayout, scrollTop: number, viewHeight: number): number {
  return Math.max(0, Math.min(scrollTop * scaleOf(layout, viewHeight), layout.height - viewHeight));
}

function scaleOf({ height, scrollHeight }: GridLayout, viewHeight: number): number {
  return scrollHeight <= viewHeight ? 1 : (height - viewHeight) / (scrollHeight - viewHeight);
}
