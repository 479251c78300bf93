import { useMemo } from "react";
import { useClassColours } from "@/app/classColours";
import { useProject } from "@/app/project";
import { useSettings } from "@/app/settings";
import styles from "./MaskOverlay.module.css";
import { outlineOf } from "./outline";
import { decode } from "./rle";
import type { Box, CocoRle } from "./types";

export interface Overlaid {
  readonly id: string;
  readonly class_name: string;
  readonly status: string;
  readonly bbox_xyxy: Box;
  readonly segmentation: CocoRle | null;
}

interface Props {
  readonly width: number;
  readonly height: number;
  readonly objects: readonly Overlaid[];
}

/** Draws objects over a picture of their frame, which fills the same box; rejected ones are left out. */
export function MaskOverlay({ width, height, objects }: Props) {
  const colourOfClass = useClassColours(useProject());
  const opacity = useSettings((settings) => settings.maskOpacity);
  const shapes = useMemo(
    () => objects.filter(({ status }) => status !== "rejected").map((object) => ({ object, path: pathOf(object) })),
    [objects],
  );
  return (
    <svg className={styles["overlay"]} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="xMidYMid meet" aria-hidden>
      {shapes.map(({ object, path }) => (
        <path
          key={object.id}
          d={path}
          fillRule="evenodd"
          vectorEffect="non-scaling-stroke"
          strokeDasharray={object.status === "proposed" ? "5 4" : undefined}
          stroke={colourOfClass(object.class_name)}
          fill={colourOfClass(object.class_name)}
          fillOpacity={object.segmentation === null ? 0 : opacity}
        />
      ))}
    </svg>
  );
}

function pathOf({ bbox_xyxy: [x0, y0, x1, y1], segmentation }: Overlaid): string {
  if (segmentation === null) return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
  const { corners, ends } = outlineOf(decode(segmentation));
  const lines: string[] = [];
  let start = 0;
  for (const end of ends) {
    lines.push(`M${corners.subarray(start, end).join(" ")}Z`);
    start = end;
  }
  return lines.join("");
}
