/** Frames and objects that do not exist. */
import type { CanvasFrame, EditorObject } from "@/annotate/canvas/types";
import { encode } from "@/masks/rle";
import { area, boxOf, join } from "@/masks/spans";
import { randomOf } from "../support/bitmaps";

const CLASSES = ["forklift", "red cup", "person", "pallet", "door"];

/** A picture like a photograph: soft shapes and noise. */
export async function frameOf(id: string, width: number, height: number): Promise<CanvasFrame> {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("Expected a canvas to draw on.");
  const random = randomOf(id.length + (id.codePointAt(0) ?? 0));
  const sky = context.createLinearGradient(0, 0, width, height);
  sky.addColorStop(0, "#2b3a4a");
  sky.addColorStop(1, "#c9b59a");
  context.fillStyle = sky;
  context.fillRect(0, 0, width, height);
  for (let i = 0; i < 4000; i += 1) {
    const shade = Math.floor(random() * 255);
    context.fillStyle = `rgb(${shade} ${shade} ${shade} / 12%)`;
    context.fillRect(random() * width, random() * height, random() * 90, random() * 90);
  }
  const jpeg = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
  return { id, width, height, imageUrl: URL.createObjectURL(jpeg) };
}

/** Blobs with wavy edges, every third with a hole; `radius` on average, in pixels. */
export function objectsOf(n: number, radius: number, { id: frameId, width, height }: CanvasFrame, seed = 1): EditorObject[] {
  const random = randomOf(seed);
  return Array.from({ length: n }, (_, i) => {
    const r = radius * (0.5 + random());
    const [x, y] = [r + random() * (width - 2 * r), r + random() * (height - 2 * r)];
    const spans = blob(height, width, x, y, r, 2 + Math.floor(random() * 6), i % 3 === 0);
    return {
      id: `${frameId}-${i}`,
      className: CLASSES[Math.floor(random() * CLASSES.length)] ?? "",
      status: i % 4 === 3 ? "accepted" : "proposed",
      source: "model",
      confidence: Math.round(100 * random()) / 100,
      revision: 1,
      bbox: boxOf(spans),
      mask: area(spans) === 0 ? null : encode(spans),
    };
  });
}

function blob(height: number, width: number, x: number, y: number, r: number, waves: number, hasHole: boolean) {
  const bounds: number[] = [];
  const isIn = (column: number, row: number) => {
    const [dx, dy] = [column + 0.5 - x, row + 0.5 - y];
    const distance = Math.hypot(dx, dy) / r;
    return distance < 0.85 + 0.15 * Math.sin(waves * Math.atan2(dy, dx)) && !(hasHole && distance < 0.25);
  };
  for (let column = Math.max(0, Math.floor(x - r)); column < Math.min(width, x + r); column += 1) {
    for (let row = Math.max(0, Math.floor(y - r)); row < Math.min(height, y + r); row += 1) {
      if (isIn(column, row)) bounds.push(column * height + row, column * height + row + 1);
    }
  }
  return join(height, width, bounds);
}
