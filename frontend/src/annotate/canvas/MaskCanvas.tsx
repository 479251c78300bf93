import type { CanvasProps } from "./types";

/** The frame with its masks, and the tools that change them. */
export function MaskCanvas({ label }: CanvasProps) {
  return <div aria-label={label} role="application" />;
}
