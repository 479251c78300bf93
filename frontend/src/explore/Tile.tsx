import { Check, CircleCheck, CircleDashed } from "lucide-react";
import { memo } from "react";
import type { ShownHit } from "./shown";
import styles from "./Tile.module.css";
import { useThumbnail } from "./thumbnails";

export interface TileTexts {
  readonly strong: string;
  readonly maybe: string;
  readonly cosine: (score: string) => string;
  readonly nAccepted: (n: number) => string;
  readonly nProposed: (n: number) => string;
}

interface Props {
  readonly id: string;
  readonly domId: string;
  readonly column: number;
  readonly width: number;
  readonly time: string;
  readonly colour: string;
  readonly hit: ShownHit | undefined;
  readonly nAccepted: number;
  readonly nProposed: number;
  readonly isSelected: boolean;
  readonly isActive: boolean;
  /** While the grid flies by, tiles show their colour alone. */
  readonly isPaused: boolean;
  readonly texts: TileTexts;
}

/** A frame in the grid. Clicks are heard by the grid, which finds the frame by `data-id`. */
export const Tile = memo(function Tile(props: Props) {
  const { id, hit, texts, nAccepted, nProposed } = props;
  const url = useThumbnail(id, props.isPaused);
  const isDim = hit?.band === "none";
  return (
    <div
      id={props.domId}
      data-id={id}
      role="gridcell"
      tabIndex={-1}
      aria-colindex={props.column + 1}
      aria-selected={props.isSelected}
      className={[styles["tile"], props.isActive ? styles["active"] : "", isDim ? styles["dim"] : ""].join(" ")}
      style={{ width: props.width }}
    >
      <div className={styles["picture"]} style={{ background: props.colour }}>
        {typeof url === "string" && <img src={url} alt="" draggable={false} />}
        <span className={styles["check"]} data-check>
          <Check aria-hidden />
        </span>
      </div>
      <div className={styles["caption"]}>
        <span>{props.time}</span>
        <span className={styles["marks"]}>
          {nProposed > 0 && (
            <span className={styles["proposed"]} title={texts.nProposed(nProposed)}>
              <CircleDashed aria-hidden />
              {nProposed}
            </span>
          )}
          {nAccepted > 0 && (
            <span className={styles["accepted"]} title={texts.nAccepted(nAccepted)}>
              <CircleCheck aria-hidden />
              {nAccepted}
            </span>
          )}
          {hit !== undefined && (
            <span className={styles[hit.band ?? "none"]} title={texts.cosine(hit.score.toFixed(3))}>
              {bandText(hit, texts)}
            </span>
          )}
        </span>
      </div>
    </div>
  );
});

function bandText({ band, score }: ShownHit, texts: TileTexts): string {
  if (band === null) return score.toFixed(2);
  if (band === "none") return "–";
  return band === "strong" ? texts.strong : texts.maybe;
}
