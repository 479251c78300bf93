import { type RefObject, useImperativeHandle, useLayoutEffect, useRef, useState } from "react";
import { defineTexts, useTexts } from "@/i18n";
import { Editor } from "./editor";
import styles from "./MaskCanvas.module.css";
import { Surface } from "./surface";
import type { CanvasHandle, CanvasProps } from "./types";

const texts = defineTexts(
  { failed: "The picture of this frame cannot be shown." },
  { failed: "このフレームの画像を表示できません。" },
);

/** The frame with its objects, and the tools that change them. It fills the element around it. */
export function MaskCanvas({ ref, ...props }: CanvasProps) {
  const t = useTexts(texts);
  const host = useRef<HTMLDivElement>(null);
  const ring = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLCanvasElement>(null);
  const masks = useRef<HTMLCanvasElement>(null);
  const edit = useRef<HTMLCanvasElement>(null);
  const [hasFailed, setHasFailed] = useState(false);
  const parts = useParts(props, (latest) => {
    const [element, circle] = [host.current, ring.current];
    const layers = { picture: picture.current, masks: masks.current, edit: edit.current };
    if (element === null || circle === null || !areThere(layers)) return null;
    const surface = new Surface(layers, latest, (state) => setHasFailed(state === "failed"));
    return { element, surface, editor: new Editor(element, circle, surface, latest) };
  });
  useImperativeHandle(ref, () => handleOf(parts), [parts]);

  return (
    // An application takes the keyboard: Escape, Enter and Backspace belong to the edit that is under way.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={host} aria-label={props.label} className={styles["canvas"]} role="application" tabIndex={0}>
      <canvas ref={picture} className={styles["layer"]} data-layer="picture" />
      <canvas ref={masks} className={styles["layer"]} data-layer="masks" />
      <canvas ref={edit} className={styles["layer"]} data-layer="edit" />
      <div ref={ring} hidden className={styles["ring"]} />
      {hasFailed && (
        <p className={styles["problem"]} role="alert">
          {t.failed}
        </p>
      )}
    </div>
  );
}

interface Parts {
  readonly element: HTMLElement;
  readonly surface: Surface;
  readonly editor: Editor;
}

/** What is made when the canvas is mounted; it is given all later props, and the size of its element. */
function useParts(props: CanvasProps, make: (latest: CanvasProps) => Parts | null): RefObject<Parts | null> {
  const parts = useRef<Parts>(null);
  const latest = useRef({ props, make });
  useLayoutEffect(() => {
    latest.current = { props, make };
    parts.current?.editor.update(props);
    parts.current?.surface.update(props);
  });
  useLayoutEffect(() => {
    const made = latest.current.make(latest.current.props);
    if (made === null) return;
    const { element, surface, editor } = made;
    const observer = new ResizeObserver(() => surface.resize({ width: element.clientWidth, height: element.clientHeight }));
    observer.observe(element);
    parts.current = made;
    return () => {
      observer.disconnect();
      editor.dispose();
      surface.dispose();
      parts.current = null;
    };
  }, []);
  return parts;
}

const handleOf = (parts: RefObject<Parts | null>): CanvasHandle => ({
  fit: () => parts.current?.editor.fit(),
  cancel: () => parts.current?.editor.cancel() ?? false,
  commit: () => parts.current?.editor.commit() ?? false,
  hasOpenEdit: () => parts.current?.editor.hasOpenEdit() ?? false,
});

type Refs = Record<"picture" | "masks" | "edit", HTMLCanvasElement | null>;

function areThere(layers: Refs): layers is Record<keyof Refs, HTMLCanvasElement> {
  return layers.picture !== null && layers.masks !== null && layers.edit !== null;
}
