/**
 * The objects of a frame as square tiles, each drawn once for a scale.
 *
 * Panning only places tiles anew. A change of one object draws the tiles again on which it lies, each from nothing
 * and in the same order, so that an object that is hidden and shown leaves the very same pixels.
 */
import type { Box } from "@/masks/types";

/** One object as it is drawn. */
export interface Item {
  /** Equal keys draw equal pixels. */
  readonly key: string;
  readonly id: string;
  readonly bbox: Box;
  /** Draws in pixels of the frame; `scale` screen pixels are one of them. */
  readonly paint: (context: OffscreenCanvasRenderingContext2D, scale: number) => void;
}

/** Where the frame is, in pixels of the screen: whole numbers, so that tiles are never blurred. */
export interface Placement {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Tile {
  /** null: no object is on it. */
  readonly picture: ImageBitmap | null;
  isStale: boolean;
}

interface Level {
  readonly scale: number;
  readonly tiles: Map<string, Tile>;
}

const SIDE = 256;
/** Room around a box for its lines, in pixels of the screen. */
const LINE_ROOM = 6;
const LEVELS = 3;
const TILES = 96;

export class MaskTiles {
  /** Grows with each tile that is drawn. */
  version = 0;
  private items: readonly Item[] = [];
  /** The current one first, then those that were used before it. */
  private levels: Level[] = [];
  private readonly surface = new OffscreenCanvas(SIDE, SIDE);

  /** Show these objects, later ones above earlier ones. Tiles of objects that changed are drawn anew when there is time. */
  setItems(items: readonly Item[]): void {
    const before = new Map(this.items.map((item) => [item.id, item]));
    for (const item of items) {
      const old = before.get(item.id);
      if (old?.key !== item.key) {
        this.soil(item.bbox);
        if (old !== undefined) this.soil(old.bbox);
      }
      before.delete(item.id);
    }
    for (const gone of before.values()) this.soil(gone.bbox);
    this.items = items;
  }

  /** Forget all tiles. */
  clear(): void {
    for (const level of this.levels) close(level);
    this.levels = [];
    this.items = [];
  }

  /** Places the tiles that are there; where they are not yet, those of another scale. */
  draw(context: CanvasRenderingContext2D, at: Placement): void {
    const level = this.levelFor(at.scale);
    for (const [key, left, top] of tilesIn(at)) {
      const tile = level.tiles.get(key);
      if (tile === undefined) this.drawOther(context, at, left, top);
      else if (tile.picture !== null) context.drawImage(tile.picture, left, top);
    }
  }

  /** Draws missing and stale tiles of what is shown, one at least, until the time is up; true when nothing is left to do. */
  work(at: Placement, until: number): boolean {
    const level = this.levelFor(at.scale);
    const before = this.version;
    for (const [key, left, top] of tilesIn(at)) {
      const old = level.tiles.get(key);
      if (old !== undefined && !old.isStale) continue;
      if (this.version !== before && performance.now() > until) return false;
      old?.picture?.close();
      this.version += 1;
      level.tiles.set(key, { picture: this.rendered(at, left, top), isStale: false });
    }
    this.forgetFar(level, at);
    return true;
  }

  private rendered(at: Placement, left: number, top: number): ImageBitmap | null {
    const { scale } = at;
    const [x, y] = [left - at.x, top - at.y];
    const context = this.surface.getContext("2d");
    const onTile = this.items.filter((item) => touches(item.bbox, scale, x, y));
    if (context === null || onTile.length === 0) return null;
    for (const item of onTile) {
      context.setTransform(scale, 0, 0, scale, -x, -y);
      item.paint(context, scale);
    }
    return this.surface.transferToImageBitmap();
  }

  private levelFor(scale: number): Level {
    const [current] = this.levels;
    if (current?.scale === scale) return current;
    const known = this.levels.find((level) => level.scale === scale) ?? { scale, tiles: new Map<string, Tile>() };
    // A scale that was only passed through has nothing to show.
    const others = this.levels.filter((level) => level !== known && level.tiles.size > 0);
    for (const level of others.splice(LEVELS - 1)) close(level);
    this.levels = [known, ...others];
    return known;
  }

  private drawOther(context: CanvasRenderingContext2D, at: Placement, left: number, top: number): void {
    for (const level of this.levels.slice(1)) {
      const ratio = at.scale / level.scale;
      const box: Box = [left - at.x, top - at.y, left - at.x + SIDE, top - at.y + SIDE];
      const found = [...level.tiles].filter(([key, tile]) => !tile.isStale && overlaps(scaledTile(key, ratio), box));
      if (found.length === 0) continue;
      context.save();
      context.beginPath();
      context.rect(left, top, SIDE, SIDE);
      context.clip();
      for (const [key, { picture }] of found) {
        const [x0, y0, x1, y1] = scaledTile(key, ratio);
        if (picture !== null) context.drawImage(picture, at.x + x0, at.y + y0, x1 - x0, y1 - y0);
      }
      context.restore();
      return;
    }
  }

  private soil(bbox: Box): void {
    for (const level of this.levels) {
      for (const [key, tile] of level.tiles) {
        const [x, y] = scaledTile(key, 1);
        if (touches(bbox, level.scale, x, y)) tile.isStale = true;
      }
    }
  }

  private forgetFar(level: Level, at: Placement): void {
    if (level.tiles.size <= TILES) return;
    const shown = new Set(tilesIn(at).map(([key]) => key));
    for (const [key, tile] of level.tiles) {
      if (shown.has(key)) continue;
      tile.picture?.close();
      level.tiles.delete(key);
    }
  }
}

/** The tiles that are in sight: key, and left and top in pixels of the screen; those in the middle first. */
function tilesIn({ x, y, width, height }: Placement): [string, number, number][] {
  const tiles: [string, number, number][] = [];
  for (let column = Math.floor(-x / SIDE); column * SIDE + x < width; column += 1) {
    for (let row = Math.floor(-y / SIDE); row * SIDE + y < height; row += 1) {
      tiles.push([`${column} ${row}`, column * SIDE + x, row * SIDE + y]);
    }
  }
  const far = ([, left, top]: [string, number, number]) => Math.hypot(left + SIDE / 2 - width / 2, top + SIDE / 2 - height / 2);
  return tiles.sort((a, b) => far(a) - far(b));
}

function scaledTile(key: string, ratio: number): Box {
  const [column = 0, row = 0] = key.split(" ").map(Number);
  return [column * SIDE * ratio, row * SIDE * ratio, (column + 1) * SIDE * ratio, (row + 1) * SIDE * ratio];
}

/** Whether what is drawn of a box lies on the tile at (x, y). */
function touches([left, top, right, bottom]: Box, scale: number, x: number, y: number): boolean {
  const room = LINE_ROOM;
  return left * scale - room < x + SIDE && right * scale + room > x && top * scale - room < y + SIDE && bottom * scale + room > y;
}

const overlaps = (a: Box, b: Box) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

function close(level: Level): void {
  for (const tile of level.tiles.values()) tile.picture?.close();
}
