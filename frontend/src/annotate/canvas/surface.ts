/** Shows a frame in three layers: the picture, its objects, and what is under the pointer or being edited. */
import type { Position } from "@/masks/draw";
import type { Live } from "./gestures";
import { sizeOf, type Target } from "./hits";
import { itemOf } from "./paint";
import { paintOverlay } from "./overlay";
import { Picture } from "./picture";
import { Shapes } from "./shapes";
import { MaskTiles, type Placement } from "./tiles";
import type { CanvasProps, EditorObject } from "./types";
import { fitted, panned, revealing, toFrame, zoomed, type Size, type View } from "./view";

export interface Layers {
  readonly picture: HTMLCanvasElement;
  readonly masks: HTMLCanvasElement;
  readonly edit: HTMLCanvasElement;
}

/** What is shown on top while an edit is under way. */
export interface Draft {
  /** The object that the draft stands for. */
  readonly objectId: string | null;
  readonly live: Live;
}

/** So long masks are decoded, and so long tiles are drawn, before the screen is shown again. */
const DECODING_MS = 8;
const DRAWING_MS = 24;
/** Tiles of a new scale are drawn when the zoom has rested so long. */
const REST_MS = 120;
/** Above this, in screen pixels per pixel of the frame, its pixels are shown as squares. */
const SQUARES_FROM = 4;
const DIMMED = "0.5";

export class Surface {
  readonly shapes = new Shapes();
  view: View = { scale: 1, x: 0, y: 0 };
  private shown: Size = { width: 1, height: 1 };
  private ratio = 1;
  private isFitted = true;
  private props: CanvasProps;
  private targets: readonly Target[] = [];
  private hovered: string | null = null;
  private draft: Draft | null = null;
  private zoomedAt = -REST_MS;
  private hasPicture = false;
  private areTargetsOld = true;
  private wasViewMoved = true;
  private areMasksOld = true;
  private isOverlayOld = true;
  private request = 0;
  private rest = 0;
  private readonly tiles = new MaskTiles();
  private readonly picture: Picture;

  constructor(
    private readonly layers: Layers,
    props: CanvasProps,
    onPicture: (state: "ready" | "failed") => void,
  ) {
    this.props = props;
    this.picture = new Picture((state) => {
      this.hasPicture = true;
      this.wasViewMoved = true;
      this.areTargetsOld = true;
      this.draw();
      onPicture(state);
    });
    void this.picture.load(props.frame.imageUrl);
  }

  dispose(): void {
    cancelAnimationFrame(this.request);
    clearTimeout(this.rest);
    this.tiles.clear();
    this.picture.close();
  }

  update(props: CanvasProps): void {
    const old = this.props;
    this.props = props;
    if (old.frame.id !== props.frame.id || old.frame.imageUrl !== props.frame.imageUrl) this.changeFrame(old);
    else if (old.selected[0] !== props.selected[0]) this.reveal(props.selected[0]);
    this.areTargetsOld = true;
    this.isOverlayOld = true;
    this.draw();
  }

  /** The screen has this size now, in CSS pixels. */
  resize(shown: Size): void {
    this.shown = shown;
    this.ratio = window.devicePixelRatio;
    for (const layer of Object.values(this.layers) as HTMLCanvasElement[]) {
      layer.width = Math.max(1, Math.round(shown.width * this.ratio));
      layer.height = Math.max(1, Math.round(shown.height * this.ratio));
    }
    this.show(this.isFitted ? fitted(this.props.frame, shown) : panned(this.view, 0, 0, this.props.frame, shown));
  }

  fit(): void {
    this.show(fitted(this.props.frame, this.shown));
    this.isFitted = true;
  }

  zoom(factor: number, at: Position): void {
    this.isFitted = false;
    this.zoomedAt = performance.now();
    this.show(zoomed(this.view, factor, at, this.props.frame, this.shown));
    clearTimeout(this.rest);
    this.rest = window.setTimeout(() => this.draw(), REST_MS);
  }

  pan(dx: number, dy: number): void {
    this.isFitted = false;
    this.show(panned(this.view, dx, dy, this.props.frame, this.shown));
  }

  /** The position of the frame at a position of the screen, in CSS pixels from the corner of the canvas. */
  at(position: Position): Position {
    return toFrame(this.view, position);
  }

  /** What can be pointed at: the objects that are shown and decoded. */
  pointable(): readonly Target[] {
    return this.targets;
  }

  /** Whether what is shown is the frame that is wanted, so that one may point at it. */
  isReady(): boolean {
    return this.hasPicture;
  }

  /** Brings one object forward; false when it is already. */
  hover(id: string | null): boolean {
    if (id === this.hovered) return false;
    this.hovered = id;
    this.layers.masks.style.opacity = id === null ? "1" : DIMMED;
    this.isOverlayOld = true;
    this.draw();
    return true;
  }

  hasHovered(): boolean {
    return this.hovered !== null;
  }

  /** Shows an edit that is under way in place of its object; null: none is. */
  setDraft(draft: Draft | null): void {
    this.areTargetsOld ||= draft?.objectId !== this.draft?.objectId;
    this.draft = draft;
    this.isOverlayOld = true;
    this.draw();
  }

  private reveal(id: string | undefined): void {
    const object = this.props.objects.find((one) => one.id === id);
    if (object === undefined) return;
    const view = revealing(this.view, object.bbox, this.props.frame, this.shown);
    if (view !== this.view) this.show(view);
  }

  private changeFrame(old: CanvasProps): void {
    const { frame } = this.props;
    this.hasPicture = false;
    this.hover(null);
    this.tiles.clear();
    this.areMasksOld = true;
    if (old.frame.width !== frame.width || old.frame.height !== frame.height) this.fit();
    void this.picture.load(frame.imageUrl);
  }

  private show(view: View): void {
    this.view = view;
    this.wasViewMoved = true;
    this.draw();
  }

  /** Draws what is old at the next chance. */
  private draw(): void {
    if (this.request === 0) this.request = requestAnimationFrame(() => this.drawNow());
  }

  private drawNow(): void {
    this.request = 0;
    const at = this.placement();
    const now = performance.now();
    let isDone = !this.areTargetsOld || this.collect(now + DECODING_MS);
    if (this.wasViewMoved) this.drawPicture(at);
    // A scale that is only passed through is not worth drawing.
    if (now - this.zoomedAt >= REST_MS && this.hasPicture && this.props.masksShown) {
      const before = this.tiles.version;
      isDone = this.tiles.work(at, performance.now() + DRAWING_MS) && isDone;
      this.areMasksOld ||= before !== this.tiles.version;
    }
    if (this.areMasksOld || this.wasViewMoved) this.drawMasks(at);
    if (this.isOverlayOld || this.wasViewMoved) this.drawOverlay(at);
    this.wasViewMoved = false;
    this.areMasksOld = false;
    this.isOverlayOld = false;
    if (!isDone) this.draw();
  }

  private placement(): Placement {
    const { scale, x, y } = this.view;
    const { width, height } = this.layers.masks;
    return { scale: scale * this.ratio, x: Math.round(x * this.ratio), y: Math.round(y * this.ratio), width, height };
  }

  /** Decodes what is to be seen, the selected first, until the time is up; true when all is decoded. */
  private collect(until: number): boolean {
    const { objects, selected, masksShown } = this.props;
    const wanted = objects.filter((object) => this.isShown(object));
    const missing = wanted.filter(({ mask }) => mask !== null && this.shapes.find(mask) === null);
    if (selected.length > 0) missing.sort((a, b) => Number(selected.includes(b.id)) - Number(selected.includes(a.id)));
    for (const { mask } of missing) {
      if (performance.now() > until) break;
      if (mask !== null) this.shapes.of(mask);
    }
    const targets = wanted.map((object) => this.target(object)).filter((target) => target !== null);
    // Small ones lie above large ones, so that none is covered wholly.
    this.targets = targets.sort((a, b) => sizeOf(b) - sizeOf(a));
    this.areTargetsOld = this.targets.length < wanted.length;
    this.isOverlayOld = true;
    if (masksShown) this.setItems();
    else this.areMasksOld = true;
    return !this.areTargetsOld;
  }

  private setItems(): void {
    const { opacity, outlineOnly, colourOf } = this.props;
    const drawn = this.targets.filter(({ object }) => object.status !== "rejected" && object.id !== this.draft?.objectId);
    this.tiles.setItems(drawn.map((target) => itemOf(target, colourOf(target.object), outlineOnly ? 0 : opacity, this.ratio)));
    this.areMasksOld = true;
  }

  private isShown({ id, status }: EditorObject): boolean {
    const { hidden, masksShown, selected } = this.props;
    return masksShown && !hidden.has(id) && (status !== "rejected" || selected.includes(id));
  }

  private target(object: EditorObject): Target | null {
    if (object.mask === null) return { object, shape: null };
    const shape = this.shapes.find(object.mask);
    return shape === null ? null : { object, shape };
  }

  private drawPicture(at: Placement): void {
    const context = this.layers.picture.getContext("2d");
    if (context === null) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, at.width, at.height);
    context.setTransform(at.scale, 0, 0, at.scale, at.x, at.y);
    context.imageSmoothingEnabled = at.scale < SQUARES_FROM;
    this.picture.draw(context, this.props.frame.width, this.props.frame.height);
  }

  private drawMasks(at: Placement): void {
    const context = this.layers.masks.getContext("2d");
    if (context === null) return;
    context.clearRect(0, 0, at.width, at.height);
    if (this.hasPicture && this.props.masksShown) this.tiles.draw(context, at);
  }

  private drawOverlay(at: Placement): void {
    const context = this.layers.edit.getContext("2d");
    if (context === null) return;
    const { selected, tool, preview, points, colourOf, objects } = this.props;
    const byId = new Map(this.targets.map((target) => [target.object.id, target]));
    const chosen = selected.map((id) => byId.get(id)).filter((target) => target !== undefined);
    const liveId = this.draft === null ? selected[0] : this.draft.objectId;
    const liveObject = objects.find((object) => object.id === liveId);
    const style = getComputedStyle(this.layers.edit);
    paintOverlay(context, {
      at,
      ratio: this.ratio,
      opacity: this.props.outlineOnly ? 0 : this.props.opacity,
      selected: this.hasPicture ? chosen.filter(({ object }) => object.id !== this.draft?.objectId) : [],
      hovered: this.draft === null && !selected.includes(this.hovered ?? "") ? (byId.get(this.hovered ?? "") ?? null) : null,
      colourOf,
      preview: preview === null ? null : this.shapes.of(preview),
      points,
      live: this.draft?.live ?? null,
      liveColour: liveObject === undefined ? style.getPropertyValue("--accent") : colourOf(liveObject),
      hasHandles: (tool === "box" || tool === "select") && chosen[0]?.shape === null,
      tokens: {
        positive: style.getPropertyValue("--accepted"),
        negative: style.getPropertyValue("--rejected"),
        font: style.getPropertyValue("--font"),
      },
    });
  }
}
