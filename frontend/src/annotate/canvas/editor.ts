/** Turns the pointer, the wheel and a few keys into selections and edits. */
import { isTyping } from "@/keys/useKeys";
import type { Position } from "@/masks/draw";
import { emptySpans } from "@/masks/spans";
import { BoxDrag, Polygon, Stroke, type Gesture, type Sides, type Subject } from "./gestures";
import { hitsAt, nextHit, sidesAt } from "./hits";
import type { Surface } from "./surface";
import type { CanvasHandle, CanvasProps, EditorObject } from "./types";
import { brushStep, wishOf } from "./wheel";

/** So far, in CSS pixels, a press may move and still be a click. */
const CLICK_REACH = 4;
/** So near, in CSS pixels, one takes hold of a side or of the first corner. */
const GRIP = 8;
const MIDDLE_BUTTON = 1;
const RIGHT_BUTTON = 2;

interface Press {
  readonly pointerId: number;
  readonly start: Position;
  last: Position;
  /** A press of the select tool becomes a pan when it moves. */
  isPan: boolean;
}

export class Editor implements CanvasHandle {
  private gesture: Gesture | null = null;
  private press: Press | null = null;
  private isSpaceHeld = false;
  private hoveredAt: Position | null = null;
  private request = 0;
  private settling = 0;
  private readonly stop = new AbortController();

  constructor(
    private readonly host: HTMLElement,
    private readonly ring: HTMLElement,
    private readonly surface: Surface,
    private props: CanvasProps,
  ) {
    const { signal } = this.stop;
    host.addEventListener("pointerdown", (event) => this.onDown(event), { signal });
    host.addEventListener("pointermove", (event) => this.onMove(event), { signal });
    host.addEventListener("pointerup", (event) => this.onUp(event), { signal });
    host.addEventListener("lostpointercapture", (event) => this.onUp(event), { signal });
    host.addEventListener("pointercancel", () => this.cancel(), { signal });
    host.addEventListener("pointerleave", () => this.leave(), { signal });
    host.addEventListener("contextmenu", (event) => event.preventDefault(), { signal });
    host.addEventListener("wheel", (event) => this.onWheel(event), { signal, passive: false });
    host.addEventListener("keydown", (event) => this.onKey(event), { signal });
    window.addEventListener("keydown", (event) => this.onSpace(event, true), { signal });
    window.addEventListener("keyup", (event) => this.onSpace(event, false), { signal });
    window.addEventListener("blur", () => (this.isSpaceHeld = false), { signal });
  }

  dispose(): void {
    this.stop.abort();
    cancelAnimationFrame(this.request);
    clearTimeout(this.settling);
  }

  /** An edit that is under way on another frame, or with another tool, is finished first. */
  update(props: CanvasProps): void {
    const old = this.props;
    if (old.frame.id !== props.frame.id || old.tool !== props.tool) this.commit();
    if (old.frame.id !== props.frame.id) this.leaveFrame();
    this.props = props;
    if (old.objects !== props.objects || old.frame.id !== props.frame.id) this.settle();
    this.showRing(this.hoveredAt);
    this.showCursor();
  }

  fit = (): void => this.surface.fit();

  hasOpenEdit = (): boolean => this.gesture !== null;

  cancel = (): boolean => {
    const had = this.gesture !== null;
    this.gesture = null;
    this.press = null;
    this.surface.setDraft(null);
    return had;
  };

  commit = (): boolean => {
    const { gesture } = this;
    if (gesture === null) return false;
    const edit = gesture.finish();
    this.gesture = null;
    if (edit === null) {
      this.surface.setDraft(null);
      return true;
    }
    if (edit.kind === "box" && edit.objectId === null && this.props.onBoxPrompt !== undefined) {
      this.surface.setDraft(null);
      this.props.onBoxPrompt(edit.bbox);
      return true;
    }
    // The draft stays in sight until the page gives the changed objects back.
    this.settling = window.setTimeout(() => this.settle(), 500);
    this.props.onEdit(edit);
    return true;
  };

  private leaveFrame(): void {
    this.press = null;
    if (this.surface.hover(null)) this.props.onHover?.(null);
  }

  private settle(): void {
    clearTimeout(this.settling);
    if (this.gesture === null) this.surface.setDraft(null);
  }

  private onDown(event: PointerEvent): void {
    if (!this.surface.isReady() || this.press !== null) return;
    const start = this.onScreen(event);
    const isPan = event.button === MIDDLE_BUTTON || (event.button === 0 && this.isSpaceHeld);
    const isNegative = event.button === RIGHT_BUTTON || event.altKey;
    if (!isPan && event.button !== 0 && !(this.props.tool === "point" && event.button === RIGHT_BUTTON)) return;
    if (event.button === MIDDLE_BUTTON) event.preventDefault(); // it would scroll
    this.host.setPointerCapture(event.pointerId);
    this.press = { pointerId: event.pointerId, start, last: start, isPan };
    if (!isPan) this.begin(this.surface.at(start), isNegative);
    this.showCursor();
  }

  private begin(at: Position, isNegative: boolean): void {
    const { tool, brushSize } = this.props;
    if (tool === "point") {
      if (this.isInFrame(at)) this.props.onPoint({ ...at, isPositive: !isNegative });
    } else if (tool === "select" || tool === "box") {
      this.gesture = this.pulling(at);
      if (this.gesture === null && tool === "box") this.gesture = new BoxDrag(this.subject(null), at, at);
    } else if (tool === "polygon") {
      this.addCorner(at);
    } else if (tool === "brush" || this.current()?.mask != null) {
      this.gesture = new Stroke(this.subject(this.current()), at, brushSize, tool === "eraser");
    }
    this.showDraft();
  }

  private addCorner(at: Position): void {
    if (!(this.gesture instanceof Polygon)) this.gesture = new Polygon(this.subject(this.current()), at);
    else if (this.gesture.press(at, GRIP / this.surface.view.scale)) this.commit();
  }

  private onMove(event: PointerEvent): void {
    const { press, gesture } = this;
    if (press !== null && press.pointerId !== event.pointerId) return; // another finger
    const to = this.onScreen(event);
    this.showRing(to);
    if (press !== null) press.isPan ||= this.isPulledAway(press, to);
    if (press?.isPan === true) {
      this.surface.pan(to.x - press.last.x, to.y - press.last.y);
      press.last = to;
      this.showCursor();
    } else if (gesture !== null) {
      const moves = event.getCoalescedEvents?.() ?? [];
      for (const move of moves.length > 0 ? moves : [event]) gesture.move(this.surface.at(this.onScreen(move)));
      this.showDraft();
    } else if (this.request === 0) {
      this.request = requestAnimationFrame(() => this.hover());
    }
  }

  private onUp(event: PointerEvent): void {
    const { press } = this;
    if (press?.pointerId !== event.pointerId) return;
    this.press = null;
    if (this.gesture !== null && !(this.gesture instanceof Polygon)) this.commit();
    else if (!press.isPan && this.props.tool === "select") this.select(this.surface.at(press.start), event);
    this.showCursor();
  }

  /** One click selects the smallest object there, with Shift or Ctrl one more, with Alt the one below. */
  private select(at: Position, { shiftKey, ctrlKey, metaKey, altKey }: PointerEvent): void {
    const { selected, onSelect } = this.props;
    const hits = hitsAt(this.surface.pointable(), at);
    const id = altKey ? nextHit(hits, selected[0]) : (hits[0] ?? null);
    if (!shiftKey && !ctrlKey && !metaKey) onSelect(id === null ? [] : [id]);
    else if (id !== null) onSelect(selected.includes(id) ? selected.filter((other) => other !== id) : [...selected, id]);
  }

  private hover(): void {
    this.request = 0;
    const at = this.hoveredAt;
    const isPointing = at !== null && this.props.tool === "select" && this.surface.isReady() && this.press === null;
    const id = isPointing ? (hitsAt(this.surface.pointable(), this.surface.at(at))[0] ?? null) : null;
    if (this.surface.hover(id)) this.props.onHover?.(id);
    this.showCursor();
  }

  private leave(): void {
    this.showRing(null);
    this.hover();
  }

  private onWheel(event: WheelEvent): void {
    event.preventDefault();
    const { tool, brushSize, onBrushSize } = this.props;
    const wish = wishOf(event, tool === "brush" || tool === "eraser");
    if (wish.kind === "size") onBrushSize(brushStep(brushSize, wish.steps));
    else if (wish.kind === "pan") this.surface.pan(wish.dx, wish.dy);
    else this.surface.zoom(wish.factor, this.onScreen(event));
    this.showRing(this.hoveredAt);
  }

  private onKey(event: KeyboardEvent): void {
    if (event.isComposing || this.gesture === null) return;
    if (event.key === "Escape") this.cancel();
    else if (event.key === "Enter") this.commit();
    else if (event.key === "Backspace" && this.gesture instanceof Polygon) {
      if (this.gesture.back()) this.showDraft();
      else this.cancel();
    } else return;
    event.preventDefault();
  }

  private onSpace(event: KeyboardEvent, isDown: boolean): void {
    if (event.key !== " " || (isDown && isTyping(event.target))) return;
    this.isSpaceHeld = isDown;
    this.showCursor();
  }

  /** Takes hold of the box of the current object, if it has no mask and a side is near. */
  private pulling(at: Position): BoxDrag | null {
    const object = this.current();
    const sides = this.sides(object, at);
    return object === undefined || sides === null ? null : BoxDrag.pulling(this.subject(object), object.bbox, sides, at);
  }

  private sides(object: EditorObject | undefined, at: Position): Sides | null {
    return object === undefined || object.mask !== null ? null : sidesAt(object.bbox, at, GRIP / this.surface.view.scale);
  }

  private isPulledAway({ start }: Press, to: Position): boolean {
    return this.props.tool === "select" && this.gesture === null && Math.hypot(to.x - start.x, to.y - start.y) > CLICK_REACH;
  }

  private current(): EditorObject | undefined {
    return this.props.objects.find((object) => object.id === this.props.selected[0]);
  }

  private subject(object: EditorObject | null | undefined): Subject {
    const { frame } = this.props;
    const mask = object?.mask ?? null;
    const spans = mask === null ? emptySpans(frame.height, frame.width) : this.surface.shapes.of(mask).spans;
    return { frameId: frame.id, objectId: object?.id ?? null, spans };
  }

  private isInFrame({ x, y }: Position): boolean {
    return x >= 0 && y >= 0 && x < this.props.frame.width && y < this.props.frame.height;
  }

  private onScreen(event: MouseEvent): Position {
    const { left, top } = this.host.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  private showDraft(): void {
    if (this.gesture !== null) this.surface.setDraft({ objectId: this.gesture.subject.objectId, live: this.gesture.live() });
  }

  /** The size of the brush around the pointer. */
  private showRing(at: Position | null): void {
    const { tool, brushSize } = this.props;
    this.hoveredAt = at;
    const isShown = at !== null && (tool === "brush" || tool === "eraser");
    this.ring.hidden = !isShown;
    if (!isShown) return;
    const size = brushSize * this.surface.view.scale;
    this.ring.style.width = `${size}px`;
    this.ring.style.height = `${size}px`;
    this.ring.style.transform = `translate(${at.x - size / 2}px, ${at.y - size / 2}px)`;
  }

  private showCursor(): void {
    this.host.style.cursor = this.cursor();
  }

  private cursor(): string {
    const { tool } = this.props;
    if (this.press?.isPan === true) return "grabbing";
    if (this.isSpaceHeld) return "grab";
    if (tool === "brush" || tool === "eraser") return "none";
    const sides = this.hoveredAt === null || tool === "point" || tool === "polygon" ? null : this.sides(this.current(), this.surface.at(this.hoveredAt));
    if (sides !== null) return cursorOf(sides);
    if (tool !== "select") return "crosshair";
    return this.surface.hasHovered() ? "pointer" : "default";
  }
}

function cursorOf({ x, y }: Sides): string {
  if (y === null) return "ew-resize";
  if (x === null) return "ns-resize";
  return (x === 0) === (y === 1) ? "nwse-resize" : "nesw-resize";
}
